import ArgumentParser
import Identity
import Notify
import NotifyChannels
import Platform

struct NotifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify", abstract: "Tries the channels that the settings name.", subcommands: [Test.self])

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sends a test message by one channel, and says how that went. Works beside a running service.",
            discussion: "Example: weir-aggregator notify test soc --config aggregator.yaml")
        @Argument(help: "The channel's name.") var channel: String
        @OptionGroup var options: SettingsOptions

        func run() async throws {
            let settings = try options.read().notify
            guard let sender = settings.senders()[channel] else {
                let names = settings.channels.map(\.name).sorted().joined(separator: ", ")
                throw Failure.usage("there is no channel \"\(channel)\" in the settings; there are: \(names)")
            }
            // The operator's channels are of no tenant: the message names one that nobody has.
            guard let tenant = settings.channels.first(where: { $0.name == channel })?.tenant ?? TenantID("test") else {
                return
            }
            let now = SystemTime().wallMilliseconds()
            switch await sender.send(.test(of: tenant, at: now), at: now) {
            case .delivered: print("\(channel): delivered")
            case .failed: throw Failure.work("\(channel): no answer, or one that says later")
            case .refused: throw Failure.work("\(channel): refused by the target, or by notify.allow")
            case .gone: throw Failure.work("\(channel): the target says that it is gone")
            }
        }
    }
}
