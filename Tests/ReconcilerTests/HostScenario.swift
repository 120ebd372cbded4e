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
    static func single(_ port: Int, _ query: String = "mode=1") -> String {
        "client://127.0.0.1:%\(port)/127.0.0.1:%9?\(query)"
    }

    static func reverse(_ port: Int, _ users: Int, _ query: String = "mode=1") -> String {
        "server://k@127.0.0.1:%\(port)/127.0.0.1:%\(users)?\(query)"
    }

    static func forward(_ port: Int, _ target: Int) -> String {
        "server://k@127.0.0.1:%\(port)/127.0.0.1:%\(target)?mode=2"
    }

    static func dual(_ server: Int, _ target: Int, _ query: String = "mode=2&min=1") -> String {
        "client://k@127.0.0.1:%\(server)/127.0.0.1:%\(target)?\(query)"
    }

    static let started: [ScenarioStep] = [
        .run("a", single(1)), .expect("a", .ready, at: [1], via: [.starting, .ready]),
    ]
}
