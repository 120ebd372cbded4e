import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

/// One thing a host is told, or one that must be seen of it.
///
/// Ports are numbers of the scenario: `%1` in a URL is the free port that stands for 1.
enum ScenarioStep: Sendable {
    case run(InstanceID, String, generation: Int = 0, releaseFirst: Bool = false)
    case stop(InstanceID)
    case remove(InstanceID)
    /// Makes the world so, by one plan, after which nothing is left to do.
    case plan([Wish])
    /// A plan for this world is empty.
    case settled([Wish])
    /// Somebody else listens at the port, and leaves it again.
    case occupy(Int)
    case vacate(Int)
    /// The certificate files that URLs call `%certificate` and `%key` come to be.
    case writeCertificate

    /// The instance gets there, listens at these ports, and has gone through these phases since it was last looked at.
    case expect(InstanceID, TunnelPhase, TunnelReason? = nil, at: [Int] = [], via: [TunnelPhase])
    case forgotten(InstanceID)
    case nobody(at: Int)
    /// Through all of this the sockets at the port are the same ones, though there may be fewer in the end.
    indirect case keeping(Int, [ScenarioStep])

    struct Wish: Sendable {
        let id: InstanceID
        let url: String
        var generation = 0
        var isRunning = true

        init(_ id: InstanceID, _ url: String, generation: Int = 0, isRunning: Bool = true) {
            self.id = id
            self.url = url
            self.generation = generation
            self.isRunning = isRunning
        }
    }
}

/// What must be the same of every host.
struct HostScenario: Sendable, CustomTestStringConvertible {
    let name: String
    let steps: [ScenarioStep]

    init(_ name: String, _ steps: [ScenarioStep]) {
        self.name = name
        self.steps = steps
    }

    var testDescription: String { name }
}

extension HostScenario {
    static let all = life + changes + plans + failures + twoEnds

    /// A single-end client that listens at the port of this number.
    private static func single(_ port: Int, _ query: String = "mode=1") -> String {
        "client://127.0.0.1:%\(port)/127.0.0.1:%9?\(query)"
    }

    private static func reverse(_ port: Int, _ users: Int, _ query: String = "mode=1") -> String {
        "server://k@127.0.0.1:%\(port)/127.0.0.1:%\(users)?\(query)"
    }

    private static let started: [ScenarioStep] = [
        .run("a", single(1)), .expect("a", .ready, at: [1], via: [.starting, .ready]),
    ]

    private static let life: [HostScenario] = [
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

    private static let changes: [HostScenario] = [
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

    private static let plans: [HostScenario] = [
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

    private static let failures: [HostScenario] = [
        HostScenario(
            "a port that somebody else has means backoff, and recovery by itself",
            [
                .occupy(1),
                .run("a", single(1)),
                .expect("a", .backoff, .portInUse, via: [.starting, .backoff]),
                .vacate(1),
                .expect("a", .ready, at: [1], via: [.starting, .ready]),
            ]
        ),
        HostScenario(
            "a tunnel that waits for a port has it as soon as a plan frees it, unchanged",
            started + [
                .run("b", single(1)),
                .expect("b", .backoff, .portInUse, via: [.starting, .backoff]),
                .plan([.init("a", single(2)), .init("b", single(1))]),
                .expect("a", .ready, at: [2], via: []),
                .expect("b", .ready, at: [1], via: [.starting, .ready]),
            ]
        ),
        HostScenario(
            "a tunnel that waits for a port has it as soon as a plan frees it, edited",
            started + [
                .run("0", single(1)),
                .expect("0", .backoff, .portInUse, via: [.starting, .backoff]),
                .plan([.init("0", single(1, "mode=1&rate=1")), .init("a", single(2))]),
                .expect("0", .ready, at: [1], via: [.starting, .ready]),
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
                .expect("a", .ready, at: [2], via: [.starting, .ready]),
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
            "a server without its certificate stays failed until a new generation",
            [
                .run("a", secured),
                .expect("a", .failed, .certificateInvalid, via: [.starting, .failed]),
                .settled([.init("a", secured)]),
                .writeCertificate,
                .settled([.init("a", secured)]),
                .expect("a", .failed, .certificateInvalid, via: []),
                .plan([.init("a", secured, generation: 1)]),
                .expect("a", .connecting, at: [1, 2], via: [.stopped, .starting, .connecting]),
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

    private static let twoEnds: [HostScenario] = [
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

    private static func forward(_ port: Int, _ target: Int) -> String {
        "server://k@127.0.0.1:%\(port)/127.0.0.1:%\(target)?mode=2"
    }

    private static func dual(_ server: Int, _ target: Int, _ query: String = "mode=2&min=1") -> String {
        "client://k@127.0.0.1:%\(server)/127.0.0.1:%\(target)?\(query)"
    }
}
