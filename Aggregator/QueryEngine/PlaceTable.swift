package import FlowModel

/// Where addresses are, for keys: one for the whole of a question, so that its answer is of one mind.
package final class PlaceTable: Hashable, Sendable {
    package struct Place: Hashable, Sendable {
        /// Two letters of ISO 3166-1 as one number, the first one's bits highest; 0 is not known.
        package var country: UInt16
        /// Of the autonomous system; 0 is not known.
        package var system: UInt32

        package init(country: UInt16, system: UInt32) { (self.country, self.system) = (country, system) }
    }
    let place: @Sendable (IPAddress) -> Place

    /// One that knows nothing: it stands for the table where keys are named.
    package static let none = PlaceTable { _ in Place(country: 0, system: 0) }

    package init(_ place: @escaping @Sendable (IPAddress) -> Place) { self.place = place }

    package static func == (a: PlaceTable, b: PlaceTable) -> Bool { a === b }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// The letters of `PlaceTable.Place.country`; empty for none.
package func countryText(_ number: UInt16) -> String {
    number == 0 ? "" : String(decoding: [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)], as: UTF8.self)
}
