import API
import Config
import HTTPTypes
import Reconciler
import Testing

/// What is not understood is refused before anything is done.
@Suite("Requests are read strictly", .timeLimit(.minutes(1)))
struct StrictReadingTests {
    @Test("a dryRun that is neither true nor false does nothing", arguments: ["yes", "", "TRUE"])
    func doubtfulDryRun(_ word: String) async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4013), alias: "kept")
            let answer = try await daemon.send(.delete, "/api/v1/instances/\(id)?dryRun=\(word)")
            #expect(answer.status == 400)
            #expect(try answer.json["error"] == "dryRun takes true or false")
            #expect(await daemon.reconciler.instance(id) != nil)
        }
    }

    @Test("a body that names its tunnel twice, or by null, is refused; what only a PATCH knows is ignored")
    func creationBody() async throws {
        try await TestDaemon.run { daemon in
            let spec = #"{"role":"client","tunnel":"127.0.0.1:4014","target":"127.0.0.1:9","mode":"single"}"#
            for url in [#""\(clientURL(4014))""#, "null", #""""#] {
                let answer = try await daemon.send(.post, "/api/v1/instances", #"{"url":\#(url),"spec":\#(spec)}"#)
                #expect(answer.status == 400)
            }
            let body = #"{"url":"\#(clientURL(4014))","action":"bogus"}"#
            #expect(try await daemon.send(.post, "/api/v1/instances", body).status == 201)
        }
    }

    @Test("a rotation whose parameters are wrong is refused", arguments: ["ttl=soon", "dryRun=perhaps"])
    func wrongRotation(_ query: String) async throws {
        try await TestDaemon.run { daemon in
            let key = daemon.identity.apiKey
            let path = "/api/v1/instances/********?" + query
            let answer = try await daemon.send(.patch, path, #"{"action":"restart"}"#)
            #expect(answer.status == 400)
            #expect(daemon.identity.apiKey == key)
        }
    }

    @Test("a follow that is neither true nor false is refused")
    func doubtfulFollow() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4303))
            #expect(try await daemon.send(.get, "/api/v1/instances/\(id)/logs?follow=yes").status == 400)
        }
    }

    @Test(
        "a confirmation that is neither true nor false is refused, with a dry run too",
        arguments: ["", "&dryRun=true"]
    )
    func doubtfulConfirmation(_ more: String) async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(.post, "/api/v1/reconcile?confirm=perhaps" + more)
            #expect(answer.status == 400)
        }
    }

    @Test("a tail that is out of range is refused, also where a stream resumes")
    func doubtfulTail() async throws {
        try await TestDaemon.run { daemon in
            for more in ["", "&lastEventId=0"] {
                let answer = try await daemon.send(.get, "/api/v1/reconcile/events?tail=501" + more)
                #expect(answer.status == 400)
            }
        }
    }
}
