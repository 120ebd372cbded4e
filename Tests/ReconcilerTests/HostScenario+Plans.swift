import Tunnel

extension HostScenario {
    static let plans: [HostScenario] = [
        HostScenario(
            "two tunnels that swap ports: one is stopped early, the other only moves",
            [
                .plan([.init("a", single(1)), .init("b", single(2))]),
                .expect("a", .ready, at: [1], via: [.starting, .ready]),
                .expect("b", .ready, at: [2], via: [.starting, .ready]),
                .plan([.init("a", single(2)), .init("b", single(1))]),
                .expect("a", .ready, at: [2], via: [.stopped, .starting, .ready]),
                .expect("b", .ready, at: [1], via: []),
            ]
        ),
        HostScenario(
            "a swap does not interrupt the listener that stays",
            [
                .plan([.init("a", reverse(1, 3)), .init("b", single(2))]),
                .expect("a", .connecting, at: [1, 3], via: [.starting, .connecting]),
                .keeping(3, [.plan([.init("a", reverse(2, 3)), .init("b", single(1))])]),
                .expect("a", .connecting, at: [2, 3], via: []),
                .expect("b", .ready, at: [1], via: [.starting, .ready, .stopped, .starting, .ready]),
            ]
        ),
        HostScenario(
            "three tunnels hand their ports round",
            [
                .plan([.init("a", single(1)), .init("b", single(2)), .init("c", single(3))]),
                .plan([.init("a", single(2)), .init("b", single(3)), .init("c", single(1))]),
                .expect("a", .ready, at: [2], via: [.starting, .ready, .stopped, .starting, .ready]),
                .expect("b", .ready, at: [3], via: [.starting, .ready]),
                .expect("c", .ready, at: [1], via: [.starting, .ready]),
            ]
        ),
        HostScenario(
            "a port is handed down, and one is inherited",
            started + [
                .plan([.init("b", single(1)), .init("a", single(2))]),
                .expect("a", .ready, at: [2], via: []),
                .expect("b", .ready, at: [1], via: [.starting, .ready]),
                .plan([.init("c", single(1)), .init("a", single(2))]),
                .forgotten("b"),
                .expect("c", .ready, at: [1], via: [.starting, .ready]),
            ]
        ),
        HostScenario(
            "a port is split between two tunnels by protocol",
            started + [
                .keeping(1, [.plan([.init("a", single(1, "mode=1&noudp=1"))])]),
                .plan([.init("a", single(1, "mode=1&notcp=1")), .init("b", single(1, "mode=1&noudp=1"))]),
                .expect("a", .ready, at: [1], via: []),
                .expect("b", .ready, at: [1], via: [.starting, .ready]),
            ]
        ),
        HostScenario(
            "a move to every host of the port, and back by another name of it",
            started + [
                .plan([.init("a", "client://0.0.0.0:%1/127.0.0.1:%9?mode=1")]),
                .expect("a", .ready, at: [1], via: []),
                .plan([.init("a", "client://localhost:%1/127.0.0.1:%9?mode=1")]),
                .expect("a", .ready, at: [1], via: []),
                .plan([.init("a", single(1))]),
                .expect("a", .ready, at: [1], via: []),
            ]
        ),
        HostScenario(
            "what is not wished for stops or goes",
            started + [
                .run("b", single(2)), .plan([.init("b", single(2), isRunning: false)]),
                .forgotten("a"),
                .expect("b", .stopped, via: [.starting, .ready, .stopped]),
                .nobody(at: 1), .nobody(at: 2),
            ]
        ),
    ]

    static let failures: [HostScenario] = [
        HostScenario(
            "a port that somebody else has means backoff, and recovery by itself",
            [
                .occupy(1),
                .run("a", single(1)),
                .expect("a", .backoff, .portInUse, via: [.starting, .backoff]),
                .vacate(1),
                .expect("a", .ready, at: [1], via: [.ready]),
            ]
        ),
        HostScenario(
            "a tunnel that waits for a port has it as soon as a plan frees it, unchanged",
            started + [
                .run("b", single(1)),
                .expect("b", .backoff, .portInUse, via: [.starting, .backoff]),
                .plan([.init("a", single(2)), .init("b", single(1))]),
                .expect("a", .ready, at: [2], via: []),
                .expect("b", .ready, at: [1], via: [.ready]),
            ]
        ),
        HostScenario(
            "a tunnel that waits for a port has it as soon as a plan frees it, edited",
            started + [
                .run("0", single(1)),
                .expect("0", .backoff, .portInUse, via: [.starting, .backoff]),
                .plan([.init("0", single(1, "mode=1&rate=1")), .init("a", single(2))]),
                .expect("0", .ready, at: [1], via: [.ready]),
            ]
        ),
        HostScenario(
            "a tunnel that can not move stays where it was, until another is to have that",
            started + [
                .occupy(2),
                .keeping(1, [.run("a", single(2)), .expect("a", .backoff, .portInUse, at: [1], via: [.backoff])]),
                .settled([.init("a", single(2))]),
                .plan([.init("a", single(2)), .init("b", single(1))]),
                .expect("b", .ready, at: [1], via: [.starting, .ready]),
                .vacate(2),
                .expect("a", .ready, at: [2], via: [.ready]),
            ]
        ),
        HostScenario(
            "a port is handed down although the tunnel that had it finds no other",
            started + [
                .occupy(2),
                .plan([.init("a", single(2)), .init("b", single(1))]),
                .expect("a", .backoff, .portInUse, via: [.backoff]),
                .expect("b", .ready, at: [1], via: [.starting, .ready]),
            ]
        ),
        HostScenario(
            "a server without its certificate stays failed until it is there",
            [
                .run("a", secured),
                .expect("a", .failed, .certificateInvalid, via: [.starting, .failed]),
                .settled([.init("a", secured)]),
                .plan([.init("a", secured, generation: 1)]),
                .expect("a", .failed, .certificateInvalid, via: [.stopped, .starting, .failed]),
                .writeCertificate,
                .expect("a", .connecting, at: [1, 2], via: [.starting, .connecting]),
            ]
        ),
        HostScenario(
            "a listening server that loses its certificate to an edit holds nothing any more",
            [
                .run("a", reverse(1, 2)),
                .run("a", reverse(1, 2, "mode=1&tls=2")),
                .expect("a", .failed, .certificateInvalid, via: [.starting, .connecting, .failed]),
                .nobody(at: 1), .nobody(at: 2),
                .plan([.init("b", single(1))]),
                .expect("b", .ready, at: [1], via: [.starting, .ready]),
            ]
        ),
    ]

    private static let secured = reverse(1, 2, "mode=1&tls=2&crt=%certificate&key=%key")
}
