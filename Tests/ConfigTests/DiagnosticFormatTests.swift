import Config
import Testing

struct DiagnosticFormatTests {
    private let diagnostics = [
        Diagnostic(
            .error,
            at: SourceLocation(file: "a,b.yaml", line: 3, column: 7),
            path: "tunnels.web.pool.min",
            code: "pool-range",
            "must be at most pool.max (16)\n100%",
            related: SourceLocation(file: "c.yaml", line: 1, column: 2)
        ),
        Diagnostic(.warning, at: nil, path: "", code: "no-key", "no key"),
    ]

    @Test("text is one line per diagnostic, as compilers write it")
    func text() {
        let text = DiagnosticFormat.render([diagnostics[1]], as: .text)
        #expect(text == "warning: no key [no-key]\n")
        #expect(DiagnosticFormat.render([], as: .text).isEmpty)
    }

    @Test("workflow commands escape what would end them")
    func github() {
        let lines = DiagnosticFormat.render(diagnostics, as: .github).split(separator: "\n")
        #expect(
            lines == [
                "::error file=a%2Cb.yaml,line=3,col=7,title=pool-range::tunnels.web.pool.min: must be at most pool.max (16)"
                    + "%0A100%25 (see c.yaml:1:2)",
                "::warning title=no-key::no key",
            ]
        )
    }

    @Test("JSON has every part")
    func json() {
        #expect(
            diagnostics[0].json.compactText
                == #"{"severity":"error","location":"a,b.yaml:3:7","path":"tunnels.web.pool.min","#
                + #""message":"must be at most pool.max (16)\n100%","code":"pool-range","related":"c.yaml:1:2"}"#
        )
        #expect(DiagnosticFormat.render([], as: .json) == "[]\n")
    }

    @Test("what JSON says of a diagnostic is read back", arguments: [0, 1])
    func readBack(index: Int) {
        #expect(Diagnostic(json: diagnostics[index].json) == diagnostics[index])
    }

    @Test("SARIF names the tool, the rules that were hit, and the places")
    func sarif() {
        let text = DiagnosticFormat.render(diagnostics, as: .sarif)
        for part in [
            #""version": "2.1.0""#, #""name": "nodepass""#, #""id": "pool-range""#, #""level": "warning""#,
            #""uri": "a%2Cb.yaml""#, #""startLine": 3"#, #""startColumn": 7"#, #""relatedLocations""#,
        ] {
            #expect(text.contains(part), "\(part)")
        }
    }
}
