/// Lines to values: every range of the handbook's tables is checked here.
internal import Detect
internal import FilterLanguage
internal import FlowModel
internal import FlowText
internal import Identity
internal import InformationElements
internal import Intelligence

extension HelloLine {
    /// - Returns: the hello, or what is wrong with it, for the log.
    func hello(as kind: ProgramKind) -> Result<ProgramHello, HelloProblem> {
        if let problem = problem(as: kind) { return .failure(problem) }
        let declared = (rules ?? []).map { rule in
            let info = RuleInfo(
                id: "program.\(name).\(rule.id)", title: tidied(rule.title, max: ProgramLimit.titleCharactersMax),
                tactics: rule.tactics ?? [], techniques: rule.techniques ?? [])
            return (rule.id, info)
        }
        return .success(
            ProgramHello(
                kind: kind, name: name, version: tidied(version ?? "", max: 64), fields: fields, filter: filter ?? "",
                batchRecordsMax: batchRecordsMax ?? ProgramLimit.batchRecordsDefault,
                rules: [String: RuleInfo](declared) { $1 }))
    }

    private func problem(as expected: ProgramKind) -> HelloProblem? {
        guard `protocol` == ProgramLimit.protocolVersion else { return .init("protocol \(`protocol`) is not spoken") }
        guard kind == expected else { return .init("it is of kind \(kind), and \(expected) was asked for") }
        guard isProgramName(name) else { return .init("its name is not one: \(tidied(name, max: 64))") }
        guard (1...ProgramLimit.batchRecordsMax).contains(batchRecordsMax ?? 1) else {
            return .init("batchRecordsMax is not between 1 and \(ProgramLimit.batchRecordsMax)")
        }
        return problemOfRules() ?? problemOfFields() ?? problemOfFilter()
    }
    private func problemOfRules() -> HelloProblem? {
        let rules = rules ?? []
        guard kind == .detector else { return rules.isEmpty ? nil : .init("only a detector has rules") }
        guard (1...ProgramLimit.rulesMax).contains(rules.count) else {
            return .init("a detector has 1 to \(ProgramLimit.rulesMax) rules, this one \(rules.count)")
        }
        guard Set(rules.map(\.id)).count == rules.count else { return .init("two of its rules have one id") }
        for rule in rules {
            guard isProgramName(rule.id) else { return .init("not a rule's id: \(tidied(rule.id, max: 64))") }
            let tactics = rule.tactics ?? [], techniques = rule.techniques ?? []
            guard tactics.count + techniques.count <= 32,
                tactics.allSatisfy({ $0.wholeMatch(of: /TA\d{4}/) != nil }),
                techniques.allSatisfy({ $0.wholeMatch(of: /T\d{4}(\.\d{3})?/) != nil })
            else { return .init("rule \(rule.id): tactics are such as TA0043, techniques such as T1046 or T1110.001") }
        }
        return nil
    }
    private func problemOfFields() -> HelloProblem? {
        guard let fields else { return nil }
        guard (1...ProgramLimit.fieldsMax).contains(fields.count) else {
            return .init("fields names \(fields.count) elements; 1 to \(ProgramLimit.fieldsMax) are allowed")
        }
        for field in fields where !FlowTextWriter.fixedNames.contains(field) {
            guard ElementRegistry.standard.element(named: field) != nil else {
                return .init("fields: no element is called \(tidied(field, max: 64))")
            }
        }
        return nil
    }
    private func problemOfFilter() -> HelloProblem? {
        guard let filter else { return nil }
        guard filter.utf8.count <= ProgramLimit.filterOctetsMax else { return .init("the filter is too long") }
        do {
            _ = try FilterParser.parse(filter)
            return nil
        } catch {
            return .init("filter: \(tidied(error.message, max: ProgramLimit.titleCharactersMax))")
        }
    }
}

/// What is wrong with a hello, in one line.
struct HelloProblem: Error, Equatable {
    let text: String
    init(_ text: String) { self.text = text }
}

extension FindingLine {
    func finding(_ hello: ProgramHello, tenant: TenantID) throws(ProgramRefusal) -> Finding {
        guard let info = hello.rules[rule] else { throw .undeclaredRule }
        let people = entities.compactMap { entity in
            IPAddress(entity.address).map { address in
                FindingEntity(
                    type: address.isV4 ? "ipv4-addr" : "ipv6-addr", role: entity.role, value: address.description)
            }
        }
        guard let first = people.first, people.count == entities.count, people.count <= Finding.entitiesMax,
            (ports ?? []).count <= Finding.portsMax, (0...1_000_000).contains(update ?? 0),
            0 < windowStart, windowStart <= end, 0 < start, start <= end, end <= ProgramLimit.timeMax,
            observed.isFinite, threshold.isFinite, unit.utf8.count <= 32, (key ?? "").utf8.count <= 256
        else { throw .badMember }
        var evidence = Evidence(
            observed: observed, threshold: threshold, unit: tidied(unit, max: 32), flows: flows ?? 0,
            packets: packets ?? 0, octets: octets ?? 0)
        evidence.samplingInterval = nil
        return Finding(
            id: StableHash.hex128(tenant.rawValue, info.id, first.value, key ?? "", String(windowStart)),
            rule: info.id, title: tidied(title, max: ProgramLimit.titleCharactersMax), severity: severity,
            tactics: info.tactics, techniques: info.techniques, entities: people,
            ports: Set(ports ?? []).sorted(), start: start, end: end, windowStart: windowStart, evidence: evidence,
            update: update ?? 0)
    }
}

extension AnnotationLine {
    func annotation(asked: Set<IPAddress>) throws(ProgramRefusal) -> AddressAnnotation {
        guard let parsed = IPAddress(address) else { throw .badMember }
        guard asked.contains(parsed) else { throw .notAsked }
        let seconds = ttlSeconds ?? 3_600, labels = labels ?? []
        guard (1...604_800).contains(seconds), (name ?? "").utf8.count <= 255, labels.count <= 16,
            labels.allSatisfy({ (1...64).contains($0.utf8.count) }), isCountry(country)
        else { throw .badMember }
        return AddressAnnotation(
            address: parsed, country: country?.uppercased(),
            autonomousSystem: autonomousSystem, name: name.map { tidied($0, max: 255) },
            labels: labels.map { tidied($0, max: 64) }, timeToLive: .seconds(seconds))
    }
}

/// Two letters of ASCII, or none said.
private func isCountry(_ text: String?) -> Bool {
    guard let text else { return true }
    return text.utf8.count == 2 && text.utf8.allSatisfy { (0x41...0x5A).contains($0 & 0xDF) }
}

extension IndicatorLine {
    func subject() throws(ProgramRefusal) -> IndicatorSubject {
        guard value.utf8.count <= 64, let subject = IndicatorSubject(value) else { throw .badMember }
        return subject
    }
    func indicator() throws(ProgramRefusal) -> Indicator {
        let subject = try subject(), words = (labels ?? []) + (techniques ?? []) + (malwareFamily.map { [$0] } ?? [])
        guard words.count <= 32, words.allSatisfy({ $0.utf8.count <= 255 }), (confidence ?? 0) <= 100,
            (0...ProgramLimit.timeMax).contains(expires ?? 0)
        else { throw .badMember }
        let context = IndicatorContext(
            labels: (labels ?? []).map { tidied($0, max: 255) },
            malwareFamily: malwareFamily.map { tidied($0, max: 255) },
            techniques: (techniques ?? []).map { tidied($0, max: 255) })
        return Indicator(subject, port: port ?? 0, confidence: confidence ?? 50, expires: expires, context: context)
    }
}
