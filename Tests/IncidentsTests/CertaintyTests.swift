import Detect
import Incidents
import TestKit
import Testing

@Suite("How sure an incident is") struct CertaintyTests {
    private func incident(_ change: (inout Evidence) -> Void) throws -> (story: String, confidence: Double) {
        let folder = try TemporaryFolder("incidents"), acme = try Samples.tenant("acme")
        let log = try IncidentLog(directory: folder.path)
        var finding = try Samples.finding("a")
        finding.evidence.observed = 20
        change(&finding.evidence)
        let one = try #require(try log.record([finding], tenant: acme, at: Samples.noon).first?.incident)
        let story = IncidentStory(of: one, events: try log.events(tenant: acme, id: one.id))
        let assessment = IncidentPolicy().assess(one, of: acme, feedback: RuleFeedback(rule: finding.rule))
        return (story.summary, assessment.confidence)
    }

    @Test("the story tells how it is known who began, and what sampling left to see") func story() throws {
        let plain = try incident { _ in }
        #expect(!plain.story.contains("Who began") && !plain.story.contains("one packet in"))
        let told = try incident {
            $0.initiator = InitiatorEvidence(confidence: 0.94, stated: 0, flags: 18, firstSeen: 2, ports: 0)
            $0.samplingInterval = 100
            $0.confidence = 0.9
        }
        #expect(told.story.contains("Who began is told by flags, with a confidence of 0.94."))
        #expect(told.story.contains("It is told from one packet in 100, with a confidence of 0.9."))
    }

    @Test("an incident of sampled flows is as sure as its surest finding; where none says, a fifth less from 1 in 100")
    func confidence() throws {
        #expect(try incident { _ in }.confidence == 1)
        #expect(try incident { $0.samplingInterval = 10 }.confidence == 1)
        #expect(try incident { $0.samplingInterval = 100 }.confidence == 0.8)
        #expect(
            try incident {
                $0.samplingInterval = 10
                $0.confidence = 0.83
            }.confidence == 0.83)
    }
}
