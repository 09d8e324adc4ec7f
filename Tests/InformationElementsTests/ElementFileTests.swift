import FlowModel
import InformationElements
import Settings
import Testing

@Suite("A site's own elements")
struct ElementFileTests {
    private func adding(_ text: String, _ name: String) throws -> ElementRegistry {
        try ElementRegistry.standard.adding(file: Array(text.utf8), named: name)
    }
    private func fault(_ text: String, _ name: String) -> String {
        do {
            _ = try adding(text, name)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test("are read from YAML, with defaults")
    func yaml() throws {
        let text = """
            # the lab's probe
            elements:
              - enterprise: 4242
                id: 7
                name: siteRack
                type: unsigned16
                semantics: identifier
              - id: 40010
                name: siteCounter
                type: unsigned64
                semantics: deltaCounter
                units: octets
            """
        let registry = try adding(text, "elements.yaml")
        let rack = registry.element(ElementKey(enterprise: 4_242, id: 7))
        #expect(rack?.name == "siteRack" && rack?.dataType == .unsigned16 && rack?.semantics == .identifier)
        let counter = registry.element(ElementKey(id: 40_010))
        #expect(counter?.name == "siteCounter" && counter?.semantics == .deltaCounter && counter?.units == "octets")
    }

    @Test("are read from CSV, with and without a header, comments, carriage returns and a last line's end")
    func csv() throws {
        for text in [
            "enterprise,id,name,type,semantics,units\n4242,7,siteRack,unsigned16,identifier\n",
            "# mine\r\n\r\n4242,7,siteRack,unsigned16,identifier,\r\n", "4242,7,siteRack,unsigned16,identifier",
        ] {
            let rack = try adding(text, "x.csv").element(ElementKey(enterprise: 4_242, id: 7))
            #expect(rack?.name == "siteRack" && rack?.semantics == .identifier)
        }
        #expect(try adding("", "x.csv").count == ElementRegistry.standard.count)
    }

    @Test(
        "a fault names the line and what is allowed",
        arguments: [
            ("4242,7,siteRack\n", "has 3 cells; enterprise,id,name,type[,semantics[,units]] are needed (x.csv:1)"),
            ("\n-1,7,a,string\n", "enterprise: -1 is not a whole number in 0...4294967295 (x.csv:2)"),
            ("9,32768,a,string\n", "id: 32768 is not a whole number in 1...32767 (x.csv:1)"),
            ("0,0,a,string\n", "id: 0 is not a whole number in 1...65535 (x.csv:1)"),
            ("9,1,1a,string\n", "name: 1a is not 1 to 64 of A-Z a-z 0-9 _ -, beginning with a letter (x.csv:1)"),
            ("9,1,a\"b,string\n", "name: a\"b is not 1 to 64 of A-Z a-z 0-9 _ -, beginning with a letter (x.csv:1)"),
            ("9,1,a,string,size\n", "semantics: size is not one of default, quantity, totalCounter, deltaCounter,"),
            ("9,1,a,int\n", "type: int is not one of octetArray, unsigned8, unsigned16"),
            ("9,1,a,string\n# x\n9,1,b,string\n", "element 1 of enterprise 9 is there twice (x.csv:3)"),
            ("9,1,a,string\n9,2,a,string\n", "name: a is the name of element 1 of enterprise 9 (x.csv:2)"),
            ("9,1,vlanId,string\n", "name: vlanId is the name of element 58 (x.csv:1)"),
        ] as [(String, String)])
    func faults(_ text: String, _ want: String) {
        let found = fault(text, "x.csv")
        #expect(found.hasPrefix(want), "\(found)")
    }

    @Test("a fault in YAML names the key and the line")
    func yamlFaults() {
        let found = fault("elements:\n  - id: 1\n    name: a\n    type: int\n", "x.yaml")
        #expect(found.hasPrefix("elements[0].type: int is not one of octetArray") && found.hasSuffix("(x.yaml:4)"))
        #expect(fault("elements:\n  - id: 1\n    type: string\n", "x.yaml").hasPrefix("elements[0].name: missing"))
        #expect(fault("element: 1\n", "x.yaml").hasPrefix("element: "))
        #expect(fault("elements:\n  - id: 7\n    name: vlanId\n    type: string\n", "x.yaml").hasSuffix("(x.yaml:3)"))
    }

    @Test("a file that can't be read is named")
    func missing() {
        #expect(throws: SettingError.self) { try ElementRegistry.standard(with: "/nonexistent/elements.yaml") }
        #expect(throws: Never.self) { try ElementRegistry.standard(with: nil) }
    }
}
