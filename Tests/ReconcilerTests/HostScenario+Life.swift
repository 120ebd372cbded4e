import Tunnel

extension HostScenario {
    static let life: [HostScenario] = [
        HostScenario("a new tunnel starts and is ready", started),
        HostScenario(
            "a stopped tunnel listens no more and is still known",
            started + [.stop("a"), .expect("a", .stopped, via: [.stopped]), .nobody(at: 1)]
        ),
        HostScenario(
            "stopping twice is stopping once",
            started + [.stop("a"), .stop("a"), .stop("b"), .expect("a", .stopped, via: [.stopped]), .forgotten("b")]
        ),
        HostScenario(
            "a stopped tunnel starts again",
            started + [
                .stop("a"), .run("a", single(1)), .expect("a", .ready, at: [1], via: [.stopped, .starting, .ready]),
            ]
        ),
        HostScenario("a removed tunnel is forgotten", started + [.remove("a"), .forgotten("a"), .nobody(at: 1)]),
        HostScenario(
            "a new generation shows stopped, then running",
            started + [
                .run("a", single(1), generation: 1),
                .expect("a", .ready, at: [1], via: [.stopped, .starting, .ready]),
            ]
        ),
    ]

    static let changes: [HostScenario] = [
        HostScenario(
            "the same again is no step",
            started + [.keeping(1, [.run("a", single(1)), .expect("a", .ready, at: [1], via: [])])]
        ),
        HostScenario(
            "a live change keeps the listener",
            started + [
                .keeping(1, [.run("a", single(1, "mode=1&rate=10&slot=7")), .expect("a", .ready, at: [1], via: [])])
            ]
        ),
        HostScenario(
            "a session change keeps the listeners",
            [
                .run("a", reverse(1, 2)),
                .expect("a", .connecting, at: [1, 2], via: [.starting, .connecting]),
                .keeping(1, [.keeping(2, [.run("a", reverse(1, 2, "mode=1&tls=1"))])]),
                .expect("a", .connecting, at: [1, 2], via: []),
            ]
        ),
        HostScenario(
            "a protocol that is turned off closes its own socket alone",
            started + [.keeping(1, [.run("a", single(1, "mode=1&noudp=1")), .expect("a", .ready, at: [1], via: [])])]
        ),
        HostScenario(
            "a rebind moves the listener and is no step",
            started + [.run("a", single(2)), .expect("a", .ready, at: [2], via: []), .nobody(at: 1)]
        ),
        HostScenario(
            "a rebind of one address keeps the other",
            [
                .run("a", reverse(1, 2)),
                .keeping(2, [.run("a", reverse(3, 2))]),
                .keeping(3, [.run("a", reverse(3, 4))]),
                .expect("a", .connecting, at: [3, 4], via: [.starting, .connecting]),
                .nobody(at: 1),
                .nobody(at: 2),
            ]
        ),
    ]

    static let twoEnds: [HostScenario] = [
        HostScenario(
            "two ends meet, users come in at the server",
            [
                .run("s", reverse(1, 2)),
                .expect("s", .connecting, at: [1, 2], via: [.starting, .connecting]),
                .run("c", dual(1, 3)),
                .expect("c", .ready, via: [.starting, .connecting, .ready]),
                .expect("s", .ready, at: [1, 2], via: [.ready]),
            ]
        ),
        HostScenario(
            "two ends meet, users come in at the client",
            [
                .run("s", forward(1, 3)),
                .expect("s", .connecting, at: [1], via: [.starting, .connecting]),
                .run("c", dual(1, 2)),
                .expect("c", .ready, at: [2], via: [.starting, .connecting, .ready]),
                .expect("s", .ready, at: [1], via: [.ready]),
                .keeping(2, [.run("c", dual(1, 2, "mode=2&min=1&rate=5")), .expect("c", .ready, at: [2], via: [])]),
                .plan([.init("s", forward(1, 3)), .init("c", dual(1, 4))]),
                .expect("c", .ready, at: [4], via: []),
                .nobody(at: 2),
            ]
        ),
        HostScenario(
            "clients that swap the targets they dial stay ready",
            [
                .plan([
                    .init("a", reverse(1, 2)), .init("b", reverse(3, 4)), .init("c", dual(1, 5)),
                    .init("d", dual(3, 6)),
                ]),
                .expect("c", .ready, via: [.starting, .connecting, .ready]),
                .expect("d", .ready, via: [.starting, .connecting, .ready]),
                .plan([
                    .init("a", reverse(1, 2)), .init("b", reverse(3, 4)), .init("c", dual(1, 6)),
                    .init("d", dual(3, 5)),
                ]),
                .expect("c", .ready, via: []),
                .expect("d", .ready, via: []),
            ]
        ),
    ]
}
