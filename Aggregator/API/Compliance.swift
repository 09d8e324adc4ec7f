/// One control of a framework, by its number there and our own few words, and the evidence that bears on it.
///
/// Not the framework's text, and not a statement that somebody complies: much of each control is people's, and no
/// program can see it.
struct Control: Encodable, Equatable {
    let framework: Framework, id: String, subject: String
    let evidence: [String]

    enum Framework: String, CaseIterable, Encodable {
        case soc2 = "SOC 2", iso27001 = "ISO 27001:2022", pciDSS = "PCI DSS 4.0", hipaa = "HIPAA", gdpr = "GDPR"
    }

    static let all: [Control] = soc2 + iso27001 + pciDSS + hipaa + gdpr

    private static func list(_ framework: Framework, _ rows: [(String, String, [String])]) -> [Control] {
        rows.map { Control(framework: framework, id: $0.0, subject: $0.1, evidence: $0.2) }
    }
    private static let soc2 = list(
        .soc2,
        [
            ("CC6.1", "access to data is protected", ["second-factor", "sealed", "breach-list"]),
            ("CC6.2", "credentials are given and ended", ["keys-expire", "keys-used"]),
            ("CC6.3", "roles, and no more than needed", ["owners", "keys-used"]),
            ("CC6.7", "data on its way and at rest", ["sealed", "short-certificates"]),
            ("CC7.2", "the system is watched", ["sensors-heard", "audit-chain"]),
            ("CC7.3", "events are judged", ["incidents-worked"]),
            ("CC7.4", "incidents are answered", ["notification", "incidents-worked"]),
            ("A1.2", "backups", ["backup"]), ("C1.2", "confidential data is disposed of", ["retention", "sealed"]),
        ])
    private static let iso27001 = list(
        .iso27001,
        [
            ("A.5.15", "access control", ["owners", "second-factor"]),
            ("A.5.17", "authentication information", ["breach-list", "keys-expire"]),
            ("A.5.18", "access rights are looked over", ["keys-used", "owners"]),
            ("A.5.26", "response to incidents", ["notification", "incidents-worked"]),
            ("A.5.33", "records are protected", ["audit-chain"]),
            ("A.5.34", "privacy", ["pseudonyms", "retention"]), ("A.8.5", "secure authentication", ["second-factor"]),
            ("A.8.10", "deletion", ["retention", "sealed"]), ("A.8.11", "masking", ["pseudonyms"]),
            ("A.8.13", "backup", ["backup"]), ("A.8.15", "logging", ["audit-chain"]),
            ("A.8.16", "monitoring", ["sensors-heard", "notification"]),
            ("A.8.24", "cryptography", ["sealed", "short-certificates"]),
        ])
    private static let pciDSS = list(
        .pciDSS,
        [
            ("3.5", "stored data is unreadable", ["sealed"]), ("7.2", "access by need", ["owners", "keys-used"]),
            ("8.3", "strong authentication", ["breach-list"]), ("8.4", "second factors", ["second-factor"]),
            ("8.6", "accounts of programs", ["keys-expire", "keys-used"]),
            ("10.3", "logs can't be changed", ["audit-chain"]), ("10.5", "logs are kept", ["audit-chain", "backup"]),
            ("10.7", "failures are noticed", ["sensors-heard", "notification"]),
            ("12.10", "response to incidents", ["notification", "incidents-worked"]),
        ])
    private static let hipaa = list(
        .hipaa,
        [
            ("164.308(a)(6)", "incidents", ["notification", "incidents-worked"]),
            ("164.308(a)(7)", "contingency", ["backup"]),
            ("164.312(a)(1)", "access control", ["owners", "keys-expire"]),
            ("164.312(a)(2)(iv)", "encryption at rest", ["sealed"]), ("164.312(b)", "audit", ["audit-chain"]),
            ("164.312(c)(1)", "integrity", ["audit-chain", "sealed"]),
            ("164.312(d)", "who somebody is", ["second-factor"]),
            ("164.312(e)(1)", "transmission", ["short-certificates"]),
        ])
    private static let gdpr = list(
        .gdpr,
        [
            ("Art. 5(1)(e)", "kept no longer than needed", ["retention"]),
            ("Art. 5(1)(f)", "integrity and confidentiality", ["sealed", "audit-chain"]),
            ("Art. 17", "erasure", ["retention", "sealed"]), ("Art. 25", "by design", ["pseudonyms", "retention"]),
            ("Art. 32(1)(a)", "pseudonyms and encryption", ["pseudonyms", "sealed"]),
            ("Art. 32(1)(b)", "confidentiality goes on", ["second-factor", "keys-expire", "sensors-heard"]),
            ("Art. 32(1)(c)", "restored after an incident", ["backup"]),
            ("Art. 33", "breaches are told", ["notification", "incidents-worked"]),
        ])
}
