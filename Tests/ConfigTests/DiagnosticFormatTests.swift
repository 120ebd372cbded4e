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

    @Test("JUnit has a suite for each file, a failure for each error, and a case that passes where there is none")
    func junit() {
        let place = SourceLocation(file: "a,b.yaml", line: 4, column: 1)
        let hostile = Diagnostic(.error, at: place, path: "", code: "x", "<&\"\u{1b}")
        let text = DiagnosticFormat.render(diagnostics + [hostile], of: ["good.yaml", "a,b.yaml"], as: .junit)
        #expect(
            text == """
                <?xml version="1.0" encoding="UTF-8"?>
                <testsuites name="nodepass validate" failures="2">
                  <testsuite name="good.yaml" tests="2" failures="0">
                    <testcase classname="good.yaml" name="no-key" file="good.yaml"><system-out>warning: no key [no-key]</system-out></testcase>
                    <testcase classname="good.yaml" name="is valid"/>
                  </testsuite>
                  <testsuite name="a,b.yaml" tests="2" failures="2">
                    <testcase classname="a,b.yaml" name="tunnels.web.pool.min [pool-range]" file="a,b.yaml" line="3">\
                <failure type="pool-range" message="must be at most pool.max (16) 100%">\
                a,b.yaml:3:7: error: tunnels.web.pool.min: must be at most pool.max (16) 100% (see c.yaml:1:2) [pool-range]</failure></testcase>
                    <testcase classname="a,b.yaml" name="x" file="a,b.yaml" line="4">\
                <failure type="x" message="&lt;&amp;&quot;">a,b.yaml:4:1: error: &lt;&amp;&quot; [x]</failure></testcase>
                  </testsuite>
                </testsuites>

                """
        )
    }
}
