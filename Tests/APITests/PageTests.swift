import API
import HTTPTypes
import Testing

@Suite("The pages of the daemon", .timeLimit(.minutes(1)))
struct PageTests {
    @Test(
        "a page loads only what the daemon itself serves, and lets nothing else in",
        arguments: ["/", "/api/v1/docs"]
    )
    func page(_ path: String) async throws {
        try await TestDaemon.run { daemon in
            let page = try await daemon.sendPlain(.get, path)
            let policy = try #require(page.headers[.contentSecurityPolicy])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; style-src 'self';"))
            #expect(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"))
            #expect(page.headers[.xContentTypeOptions] == "nosniff")
            #expect(page.text.contains(#"<meta name="nodepass-api" content="/api/v1">"#))
            #expect(!page.text.contains("{{") && !page.text.contains("<style"))
            #expect(!page.text.contains(try Regex(#"\son[a-z]+="#)))
            let files = page.text.matches(
                of: try Regex(#"(?:src|href)="((?:\.\./)*[a-z]+/[a-z]+\.(?:js|css))""#, as: (Substring, Substring).self)
            )
            #expect(files.count >= 4)
            // Everything is found from where the page is, so that it is found below any path.
            #expect(!page.text.contains(try Regex(#"(?:src|href)="/"#)))
            let depth = path.split(separator: "/").count - 1
            for file in files {
                let parts = file.output.1.split(separator: "/")
                #expect(parts.count { $0 == ".." } == max(0, depth))
                try await load("/" + parts.filter { $0 != ".." }.joined(separator: "/"), from: daemon)
            }
        }
    }

    /// Fetches a file and, if it is a script, all that it imports.
    private func load(_ path: String, from daemon: TestDaemon) async throws {
        let file = try await daemon.sendPlain(.get, path)
        #expect(file.status == 200, "\(path)")
        #expect(file.headers[.xContentTypeOptions] == "nosniff")
        #expect(!file.text.contains("innerHTML") && !file.text.contains("eval("), "\(path)")
        let folder = path.split(separator: "/").first ?? ""
        for match in file.text.matches(of: try Regex(#"from '(\.[a-z./]+\.js)'"#, as: (Substring, Substring).self)) {
            let name = match.output.1
            let imported = name.hasPrefix("../") ? "/" + name.dropFirst(3) : "/\(folder)/" + name.dropFirst(2)
            let answer = try await daemon.sendPlain(.get, imported)
            #expect(answer.status == 200, "\(name) of \(path)")
        }
    }

    @Test("a reverse proxy may say what it has cut off, as a path and nothing else")
    func forwardedPrefix() async throws {
        try await TestDaemon.run { daemon in
            let name = try #require(HTTPField.Name("X-Forwarded-Prefix"))
            for (prefix, root) in [
                ("/np", "/np/"), ("/np/", "/np/"), ("/a/b-c", "/a/b-c/"), ("//evil.example", ""), ("np", ""),
                ("/np\"><script>", ""), ("https://evil.example", ""), ("", ""),
            ] {
                let page = try await daemon.sendPlain(.get, "/", headers: [name: prefix])
                #expect(page.text.contains("src=\"\(root)dashboard/dashboard.js\""), "\(prefix)")
                #expect(!page.text.contains("evil"))
            }
        }
    }

    @Test("a file that the browser has is not sent again")
    func unchanged() async throws {
        try await TestDaemon.run { daemon in
            let first = try await daemon.sendPlain(.get, "/dashboard/dashboard.js")
            let tag = try #require(first.headers[.eTag])
            let again = try await daemon.sendPlain(.get, "/dashboard/dashboard.js", headers: [.ifNoneMatch: tag])
            #expect(again.status == 304 && again.text.isEmpty)
            let other = try await daemon.sendPlain(.get, "/docs/docs.js", headers: [.ifNoneMatch: tag])
            #expect(other.status == 200)
        }
    }

    @Test("with a prefix of its own the pages ask there")
    func prefix() async throws {
        try await TestDaemon.run(prefix: "/custom/path/") { daemon in
            for path in ["/", "/custom/path/v1/docs"] {
                let page = try await daemon.sendPlain(.get, path)
                #expect(page.text.contains(#"content="/custom/path/v1""#))
            }
        }
    }
}
