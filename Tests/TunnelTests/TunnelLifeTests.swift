import Config
import NIOCore
import TestSupport
import Testing

@testable import Tunnel

@Suite("What a tunnel does next, as a value")
struct TunnelLifeTests {
    /// One input, and the actions it leads to.
    struct Turn {
        let input: TunnelLife.Input
        let actions: [String]

        init(_ input: TunnelLife.Input, _ actions: String) {
            self.input = input
            self.actions = actions.split(separator: ", ").map(String.init)
        }
    }

    struct Story: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let turns: @Sendable () -> [Turn]
    }

    @Test("each input leads to these actions", arguments: singleEnds + clients + servers + autos)
    func story(_ story: Story) {
        var life = TunnelLife(spec: Shared(wrappedValue: single), generation: 0, environment: TunnelEnvironment())
        var random = SeededRandom(seed: 1)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        for (index, turn) in story.turns().enumerated() {
            let actions = life.take(turn.input, now: now, using: &random).map(\.summary)
            #expect(actions == turn.actions, "turn \(index)")
            now = now + .seconds(1)
        }
    }

    // MARK: Single-end clients

    static let singleEnds = [
        Story(testDescription: "a single end binds and is ready") {
            [runSingle, singleBound]
        },
        Story(testDescription: "a run of the same spec changes nothing but the plan") {
            [
                runSingle, singleBound,
                Turn(run(single), "apply 0, mode 1, listen tcp1 udp1, no retry, ready, settle"),
            ]
        },
        Story(testDescription: "a moved address is bound before the old one is released") {
            [
                runSingle, singleBound,
                Turn(run(single, port: 2), "apply 0, bind tcp2 udp2"),
                Turn(.bound, "mode 1, release tcp1 udp1, drain, listen tcp2 udp2, no retry, ready, settle"),
            ]
        },
        Story(testDescription: "an address handed over is released first") {
            [
                runSingle, singleBound,
                Turn(run(single, port: 2, releaseFirst: true), "apply 0, release tcp1 udp1, drain, bind tcp2 udp2"),
            ]
        },
        Story(testDescription: "a moved address that is taken leaves the old one bound, and is tried again") {
            [
                runSingle, singleBound,
                Turn(run(single, port: 2), "apply 0, bind tcp2 udp2"),
                Turn(
                    .bindFailed(taken),
                    "log error, listen tcp1 udp1, retry shown, backoff PortInUse, wait 1 retry, settle"
                ),
                Turn(.waited(1), "no retry, bind tcp2 udp2"),
                Turn(.bound, "mode 1, release tcp1 udp1, drain, listen tcp2 udp2, log info, no retry, ready"),
            ]
        },
        Story(testDescription: "a wait that was cancelled too late changes nothing") {
            [
                runSingle,
                Turn(
                    .bindFailed(taken),
                    "log error, listen, retry shown, backoff PortInUse, wait 1 retry, settle"
                ),
                Turn(run(single), "cancel wait, apply 0, starting, bind tcp1 udp1"),
                Turn(.bound, "mode 1, listen tcp1 udp1, log info, no retry, ready, settle"),
                Turn(.waited(1), ""),
            ]
        },
        Story(testDescription: "what no retry can help is failed, without a wait") {
            [
                runSingle,
                Turn(
                    .bindFailed(TunnelError(.noPermission, "no")),
                    "log error, no retry, listen, failed NoPermission, settle"
                ),
                Turn(.stop, "no retry, listen, count"),
                Turn(.draining(0), "log info, stopped, settle"),
            ]
        },
        Story(
            testDescription: "a stop releases everything, drains, and is stopped when the last connection has finished"
        ) {
            [
                runSingle, singleBound,
                Turn(.stop, "release tcp1 udp1, drain, no retry, listen, count"),
                Turn(.draining(1), "draining, settle"),
                Turn(.draining(0), "log info, stopped"),
            ]
        },
        Story(testDescription: "a new generation stops first, then starts") {
            [
                runSingle, singleBound,
                Turn(run(single, generation: 1), "release tcp1 udp1, drain, no retry, listen, count"),
                Turn(.draining(0), "log info, stopped, apply 1, starting, bind tcp1 udp1"),
                Turn(.bound, "mode 1, listen tcp1 udp1, log info, no retry, ready, settle"),
            ]
        },
        Story(testDescription: "a life that leaves takes no more runs, and is over with its last connection") {
            [
                runSingle, singleBound,
                leaveSingle,
                Turn(.draining(1), "draining, settle"),
                Turn(run(single), "settle"),
                Turn(.draining(0), "log info, stopped, finish"),
            ]
        },
        Story(testDescription: "a tunnel that comes back before takes its connections back") {
            [
                runSingle, singleBound, leaveSingle,
                Turn(.draining(1), "draining, settle"),
                Turn(comeBack(single), "take back, begin anew, apply 0, starting, bind tcp1 udp1"),
                singleBound,
                Turn(.draining(0), ""),
                leaveSingle,
                Turn(.draining(0), "log info, stopped, settle, finish"),
            ]
        },
        Story(testDescription: "one that comes back at another address lets them finish") {
            [
                runSingle, singleBound, leaveSingle,
                Turn(.draining(1), "draining, settle"),
                Turn(comeBack(single, port: 2), "begin anew, apply 0, starting, bind tcp2 udp2"),
            ]
        },
        Story(testDescription: "a tunnel whose address is not there yet tries again when addresses have changed") {
            [
                runSingle,
                Turn(
                    .bindFailed(TunnelError(.addressNotAvailable, "not there")),
                    "log error, listen, retry shown, backoff AddressNotAvailable, wait 1 retry, settle"
                ),
                Turn(.addressesChanged, "cancel wait, no retry, bind tcp1 udp1"),
                Turn(.bound, "mode 1, listen tcp1 udp1, log info, no retry, ready"),
                Turn(.addressesChanged, ""),
            ]
        },
        Story(testDescription: "so does one whose name could not be resolved") {
            [
                runSingle,
                Turn(
                    .bindFailed(TunnelError(.nameNotResolved, "unknown")),
                    "log error, listen, retry shown, backoff NameNotResolved, wait 1 retry, settle"
                ),
                Turn(.addressesChanged, "cancel wait, no retry, bind tcp1 udp1"),
            ]
        },
        Story(testDescription: "one that waits for something else does not") {
            [
                runSingle,
                Turn(
                    .bindFailed(taken),
                    "log error, listen, retry shown, backoff PortInUse, wait 1 retry, settle"
                ),
                Turn(.addressesChanged, ""),
            ]
        },
    ]

    // MARK: Clients of two-ended tunnels

    static let clients = [
        Story(testDescription: "a client makes its end, connects, and is ready with a session") {
            [runClient, clientMade, Turn(.report(.established(.reverse), of: 1), "listen, log info, no retry, ready")]
        },
        Story(testDescription: "a client whose server sends users its way binds for them") {
            [
                runClient, clientMade, entryWanted, entryBound,
                Turn(run(client, protocols: [.tcp]), "apply 0, leave, drain, make 2"),
            ]
        },
        Story(testDescription: "a client that cannot bind for users leaves its end, and tries again") {
            [
                runClient, clientMade, entryWanted,
                Turn(
                    .bindFailed(taken),
                    "leave, drain, log error, listen, retry shown, backoff PortInUse, wait 1 retry"
                ),
                Turn(.waited(1), "no retry, make 2"),
                Turn(.endMade, "bind tcp9 udp9"),
            ]
        },
        Story(testDescription: "a client that lost its server keeps its users' listeners and connects again") {
            [
                runClient, clientMade, entryWanted, entryBound,
                Turn(
                    .report(.lost(unreachable), of: 1),
                    "log error, listen tcp9 udp9, retry shown, backoff PeerUnreachable, wait 1 retry"
                ),
                Turn(.waited(1), "no retry, mode 2, listen tcp9 udp9, connect"),
            ]
        },
        Story(testDescription: "a server whose port was taken is connecting as soon as it is bound") {
            [
                runServer, serverMade,
                Turn(
                    .bindFailed(taken),
                    "log error, listen, retry shown, backoff PortInUse, wait 1 retry, settle"
                ),
                Turn(.waited(1), "no retry, bind tcp9 udp9 port1"),
                Turn(.bound, "mode 1, listen tcp9 udp9 port1, connecting"),
            ]
        },
        Story(testDescription: "a client that stands by says so once and asks again") {
            [
                runClient, clientMade,
                Turn(.report(.lost(standby), of: 1), "log info, connecting Standby, wait 1 retry"),
                Turn(.waited(1), "mode 2, listen, connect again"),
                Turn(.report(.lost(standby), of: 1), "wait 2 retry"),
            ]
        },
        Story(testDescription: "another key is another session: the users' listeners stay meanwhile") {
            [
                runClient, clientMade, entryWanted, entryBound,
                Turn(run(client, key: "other"), "apply 0, leave, drain, make 2"),
                Turn(.endMade, "connecting, mode 2, listen tcp9 udp9, connect, settle"),
                Turn(.report(.lost(unreachable), of: 1), ""),
                Turn(
                    .report(.established(.reverse), of: 2),
                    "release tcp9 udp9, drain, listen, log info, no retry, ready"
                ),
            ]
        },
        Story(testDescription: "a server that this version cannot use is tried again") {
            [
                runClient, clientMade,
                Turn(
                    .report(.lost(TunnelError(.notSupportedYet, "quic", isTerminal: false)), of: 1),
                    "log error, listen, retry shown, backoff NotSupportedYet, wait 1 retry"
                ),
            ]
        },
    ]

    // MARK: Servers

    static let servers = [
        Story(testDescription: "a server is made before its port is bound, and is ready with a session") {
            [
                runServer, serverMade, serverBound,
                Turn(.report(.established(.reverse), of: 1), "log info, no retry, ready"),
            ]
        },
        Story(testDescription: "a server that lost its client waits for the next one, with nothing to try") {
            [
                runServer, serverMade, serverBound,
                Turn(.report(.established(.reverse), of: 1), "log info, no retry, ready"),
                Turn(.report(.lost(unreachable), of: 1), "log error, connecting PeerUnreachable"),
            ]
        },
        Story(testDescription: "a client with another key is shown once") {
            [
                runServer, serverMade, serverBound,
                Turn(.report(.rejected(unauthorized), of: 1), "log error, connecting AuthFailed"),
                Turn(.report(.rejected(unauthorized), of: 1), ""),
            ]
        },
        Story(testDescription: "certificate files that cannot be used are looked at until they change") {
            [
                Turn(run(server, tls: .files(certificate: "c", key: "k")), "apply 0, starting, make 1 reverse"),
                Turn(
                    .endFailed(TunnelError(.certificateInvalid, "expired")),
                    "log error, no retry, listen, failed CertificateInvalid, wait 1 look, settle"
                ),
                Turn(.certificateLook(1, hasChanged: false), "wait 2 look"),
                Turn(.certificateLook(1, hasChanged: true), ""),
                Turn(.certificateLook(2, hasChanged: true), "starting, make 2 reverse"),
                Turn(.endMade, "bind tcp9 udp9 port1"),
            ]
        },
        Story(testDescription: "a kind of links that is not known fails at once") {
            [
                Turn(
                    run(server, transport: .unknown("9")),
                    "apply 0, log error, no retry, listen, failed InvalidSpec, settle"
                )
            ]
        },
    ]

    // MARK: `auto`

    static let autos = [
        Story(testDescription: "an auto client that can bind is a single end") {
            [
                Turn(run(single, mode: .auto), "apply 0, starting, bind tcp1 udp1"),
                Turn(.bound, "mode 1, listen tcp1 udp1, log info, no retry, ready, settle"),
            ]
        },
        Story(testDescription: "an auto client that cannot is the other end of a tunnel, and stays it") {
            [
                Turn(run(client, mode: .auto), "apply 0, starting, bind tcp1 udp1"),
                Turn(.bindFailed(TunnelError(.addressNotAvailable, "elsewhere")), "make 1"),
                Turn(.endMade, "mode 2, listen, connecting, connect, settle"),
                Turn(
                    .report(.lost(unreachable), of: 1),
                    "log error, listen, retry shown, backoff PeerUnreachable, wait 1 retry"
                ),
                Turn(.waited(1), "no retry, mode 2, listen, connect"),
            ]
        },
        Story(testDescription: "an auto server that cannot bind the users' address is a forward server") {
            [
                Turn(run(server, mode: .auto), "apply 0, starting, bind tcp9 udp9"),
                Turn(.bindFailed(taken), "make 1 forward"),
                Turn(.endMade, "bind port1"),
                Turn(.bound, "mode 2, listen port1, connecting, settle"),
            ]
        },
        Story(testDescription: "an auto tunnel whose address is not permitted has decided nothing") {
            [
                Turn(run(single, mode: .auto), "apply 0, starting, bind tcp1 udp1"),
                Turn(
                    .bindFailed(TunnelError(.noPermission, "no")),
                    "log error, no retry, listen, failed NoPermission, settle"
                ),
            ]
        },
        Story(testDescription: "a single end that becomes a server at the same address changes its socket's purpose") {
            [
                runSingle, singleBound,
                Turn(run(server, protocols: [.tcp]), "apply 0, make 1 reverse"),
                Turn(.endMade, "connecting, release tcp1, bind tcp9 port1"),
                Turn(.bound, "mode 1, release udp1, drain, listen tcp9 port1, settle"),
            ]
        },
    ]

    // MARK: Delays

    @Test("a session that lasted starts the delays over, one that fell at once does not")
    func stableSession() {
        var short = Driven(client)
        var long = Driven(client)
        for _ in 0..<8 {
            short.reconnect(after: .seconds(1))
            long.reconnect(after: .seconds(10))
        }
        #expect(short.lastDelay > .milliseconds(400))
        #expect(long.lastDelay < .milliseconds(65))
    }

    /// A client that is connected and loses its server, again and again.
    private struct Driven {
        var life: TunnelLife
        var now = NIODeadline.uptimeNanoseconds(1)
        var random = SeededRandom(seed: 7)
        var lastDelay = Duration.zero

        init(_ spec: TunnelSpec) {
            life = TunnelLife(spec: Shared(wrappedValue: spec), generation: 0, environment: TunnelEnvironment())
            take(run(spec))
            take(.endMade)
        }

        mutating func take(_ input: TunnelLife.Input) {
            for case .wait(let wait) in life.take(input, now: now, using: &random) { lastDelay = wait.after }
        }

        mutating func reconnect(after lasted: TimeAmount) {
            take(.report(.established(.reverse), of: 1))
            now = now + lasted
            take(.report(.lost(unreachable), of: 1))
            take(.waited(life.waitNumber ?? 0))
        }
    }

    // MARK: Whatever happens

    @Test(
        "no order of events makes two ends, leaks a listener, or leaves a command without an answer",
        arguments: 0..<60
    )
    func promises(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var world = LifeWorld()
        for step in 0..<400 {
            let event = world.randomEvent(using: &random)
            world.take(event, using: &random)
            guard world.problems.isEmpty else {
                Issue.record("seed \(seed), step \(step), after \(event): \(world.problems)")
                return
            }
        }
        if world.isLeaving { world.take(comeBack(single), using: &random) }
        world.take(.stop, using: &random)
        world.drains = 0
        world.take(.draining(0), using: &random)
        #expect(world.life.step.phase == .stopped, "seed \(seed)")
        world.take(.leave, using: &random)
        world.isLeaving = false
        world.drains = 0
        world.take(.draining(0), using: &random)
        #expect(world.isOver, "seed \(seed)")
        world.take(run(single), using: &random)
        #expect(world.problems.isEmpty && world.held.isEmpty, "seed \(seed)")
    }
}

// MARK: - Specs and turns of the tables

private let single = TunnelSpec(role: .client, tunnel: local(1), targets: [local(9)]).with(.one)
private let client = TunnelSpec(role: .client, tunnel: local(1), targets: [local(9)]).with(.two)
private let server = TunnelSpec(role: .server, tunnel: local(1), targets: [local(9)]).with(.one)
private let taken = TunnelError(.portInUse, "taken")
private let unreachable = TunnelError(.peerUnreachable, "gone")
private let standby = TunnelError(.standby, "another has it")
private let unauthorized = TunnelError(.authFailed, "another key")

private let runSingle = TunnelLifeTests.Turn(run(single), "apply 0, starting, bind tcp1 udp1")
private let singleBound = TunnelLifeTests.Turn(
    .bound,
    "mode 1, listen tcp1 udp1, log info, no retry, ready, settle"
)
private let leaveSingle = TunnelLifeTests.Turn(
    .leave,
    "release tcp1 udp1, drain until return, no retry, listen, count"
)
private let runClient = TunnelLifeTests.Turn(run(client), "apply 0, starting, make 1")
private let clientMade = TunnelLifeTests.Turn(.endMade, "mode 2, listen, connecting, connect, settle")
private let entryWanted = TunnelLifeTests.Turn(.report(.established(.forward), of: 1), "bind tcp9 udp9")
private let entryBound = TunnelLifeTests.Turn(.bound, "listen tcp9 udp9, log info, no retry, ready")
private let runServer = TunnelLifeTests.Turn(run(server), "apply 0, starting, make 1 reverse")
private let serverMade = TunnelLifeTests.Turn(.endMade, "bind tcp9 udp9 port1")
private let serverBound = TunnelLifeTests.Turn(.bound, "mode 1, listen tcp9 udp9 port1, connecting, settle")

private func local(_ port: UInt16) -> Endpoint { Endpoint(host: "127.0.0.1", port: port) }

extension TunnelSpec {
    fileprivate func with(_ mode: TunnelMode) -> TunnelSpec {
        var copy = self
        copy.mode = mode
        copy.key = Secret("secret")
        return copy
    }
}

private func run(
    _ spec: TunnelSpec,
    mode: TunnelMode? = nil,
    port: UInt16? = nil,
    key: String? = nil,
    tls: TLSMode? = nil,
    transport: PoolTransport? = nil,
    protocols: Set<TransportProtocol>? = nil,
    generation: Int = 0,
    releaseFirst: Bool = false
) -> TunnelLife.Input {
    var spec = spec
    spec.mode = mode ?? spec.mode
    spec.tunnel.port = port ?? spec.tunnel.port
    spec.key = key.map { Secret($0) } ?? spec.key
    spec.tls = tls ?? spec.tls
    spec.transport = transport ?? spec.transport
    spec.protocols = protocols ?? spec.protocols
    return .run(Shared(wrappedValue: spec), generation: generation, releaseFirst: releaseFirst)
}

private func comeBack(_ spec: TunnelSpec, port: UInt16? = nil) -> TunnelLife.Input {
    var spec = spec
    spec.tunnel.port = port ?? spec.tunnel.port
    return .comeBack(Shared(wrappedValue: spec), generation: 0, releaseFirst: false)
}

extension TunnelLife.Action {
    /// A word or two, as the tables write it.
    fileprivate var summary: String {
        switch self {
        case .apply(_, let generation): "apply \(generation)"
        case .bind(let keys): "bind" + Self.names(keys)
        case .release(let keys): "release" + Self.names(keys)
        case .drain: "drain"
        case .drainUntilReturn: "drain until return"
        case .takeBack: "take back"
        case .beginAnew: "begin anew"
        case .countDraining: "count"
        case .makeEnd(let number, let flow): "make \(number)" + (flow.map { " \($0)" } ?? "")
        case .leaveEnd: "leave"
        case .connect(let isRepeated): isRepeated ? "connect again" : "connect"
        case .wait(let wait): "wait \(wait.number) \(wait.purpose == .retry ? "retry" : "look")"
        case .cancelWait: "cancel wait"
        case .move(let step): "\(step.phase)" + (step.reason.map { " \($0.rawValue)" } ?? "")
        case .showRetry(let after): after == nil ? "no retry" : "retry shown"
        case .showMode(let mode): "mode \(mode.rawValue)"
        case .showListeners(let keys): "listen" + Self.names(keys)
        case .log(let level, _, _): "log \(level)"
        case .settle: "settle"
        case .finish: "finish"
        }
    }

    private static func names(_ keys: [ListenKey]) -> String {
        keys.map { " \($0.purpose == .links ? "port" : $0.transport.rawValue)\($0.endpoint.port)" }.joined()
    }
}

// MARK: - A world in which anything may happen

/// Performs what a life decides, and notes each promise that it breaks.
private struct LifeWorld {
    var life = TunnelLife(spec: Shared(wrappedValue: single), generation: 0, environment: TunnelEnvironment())
    var held: Set<ListenKey> = []
    var end: Int?
    var wait: TunnelLife.Wait?
    /// Groups of connections that have not finished.
    var drains = 0
    var unsettled = 0
    var isOver = false
    /// It has been told to leave.
    var isLeaving = false
    var problems: [String] = []
    private var lastError: TunnelError?
    private var now = NIODeadline.uptimeNanoseconds(1)

    private static let errors = [
        taken, unreachable, standby, unauthorized, TunnelError(.noPermission, "no"),
        TunnelError(.certificateInvalid, "bad"), TunnelError(.certificateInvalid, "theirs", isTerminal: false),
        TunnelError(.nameNotResolved, "who"), TunnelError(.internalError, "odd"),
        TunnelError(.addressNotAvailable, "where"),
    ]

    func randomEvent(using random: inout SeededRandom) -> TunnelLife.Input {
        switch Int.random(in: 0..<22, using: &random) {
        case 0..<6: return Self.randomRun(generation: life.generation, using: &random)
        case 6: return .stop
        case 7..<10: return waitEnded(using: &random)
        // Late ones of waits and ends that have been replaced come too.
        case 10: return .waited(.random(in: 0...(life.waitNumber ?? 3), using: &random))
        case 11: return .certificateLook(.max, hasChanged: true)
        case 12..<15: return .report(.established(.random(using: &random) ? .forward : .reverse), of: end ?? 0)
        case 15..<17: return .report(.lost(Self.randomError(&random)), of: end ?? 0)
        case 17: return .report(.rejected(unauthorized), of: end ?? 0)
        case 18: return .report(.lost(unreachable), of: .random(in: 0...(end ?? 3), using: &random))
        case 19: return .addressesChanged
        case 20: return isLeaving ? Self.randomReturn(of: life, using: &random) : .leave
        default: return .draining(drains)
        }
    }

    private static func randomReturn(of life: TunnelLife, using random: inout SeededRandom) -> TunnelLife.Input {
        guard
            case .run(let spec, let generation, let releaseFirst) = randomRun(
                generation: life.generation,
                using: &random
            )
        else { return .stop }
        return .comeBack(spec, generation: generation, releaseFirst: releaseFirst)
    }

    /// What the driver makes of the wait that is running.
    private func waitEnded(using random: inout SeededRandom) -> TunnelLife.Input {
        guard let wait, wait.purpose == .certificateLook else { return .waited(wait?.number ?? 0) }
        return .certificateLook(wait.number, hasChanged: .random(using: &random))
    }

    private static func randomRun(generation: Int, using random: inout SeededRandom) -> TunnelLife.Input {
        run(
            [single, client, server].randomElement(using: &random) ?? single,
            mode: TunnelMode.allCases.randomElement(using: &random),
            port: .random(in: 1...3, using: &random),
            key: ["a", "b"].randomElement(using: &random),
            tls: [.off, .files(certificate: "c", key: "k")].randomElement(using: &random),
            transport: Int.random(in: 0..<8, using: &random) == 0 ? .websocket : .tcp,
            protocols: [[.tcp], [.udp], [.tcp, .udp]].randomElement(using: &random),
            generation: generation + Int.random(in: 0...1, using: &random),
            releaseFirst: .random(using: &random)
        )
    }

    private static func randomError(_ random: inout SeededRandom) -> TunnelError {
        errors.randomElement(using: &random) ?? taken
    }

    mutating func take(_ input: TunnelLife.Input, using random: inout SeededRandom) {
        now = now + .milliseconds(.random(in: 0...2000, using: &random))
        switch input {
        case .leave:
            // One with nothing left to wait for would be over.
            drains = max(drains, 1)
            isLeaving = true
            unsettled += 1
        case .comeBack:
            isLeaving = false
            unsettled += 1
        case .run, .stop: unsettled += 1
        case .waited(let number), .certificateLook(let number, _): if number == wait?.number { wait = nil }
        case .draining:
            drains = drains > (isLeaving ? 1 : 0) ? drains - 1 : drains
            return answer(.draining(drains), &random)
        default: break
        }
        answer(input, &random)
    }

    private mutating func answer(_ input: TunnelLife.Input, _ random: inout SeededRandom) {
        var next: TunnelLife.Input? = input
        while let given = next {
            next = nil
            switch given {
            case .bindFailed(let error), .endFailed(let error), .report(.lost(let error), of: _): lastError = error
            default: break
            }
            for action in life.take(given, now: now, using: &random) {
                require(next == nil, "\(action) after a question")
                next = perform(action, &random)
            }
        }
        check()
    }

    private mutating func require(_ isKept: Bool, _ problem: String) {
        if !isKept { problems.append(problem) }
    }

    private mutating func perform(_ action: TunnelLife.Action, _ random: inout SeededRandom) -> TunnelLife.Input? {
        switch action {
        case .bind(let keys):
            for key in keys {
                let isFree = !held.contains(key) && !held.contains { $0.excludes(key) }
                require(isFree, "\(key) bound twice")
            }
            guard Int.random(in: 0..<3, using: &random) > 0 else { return .bindFailed(Self.randomError(&random)) }
            held.formUnion(keys)
            return .bound
        case .release(let keys):
            require(held.isSuperset(of: keys), "\(keys) released, but not held")
            held.subtract(keys)
        case .drain, .drainUntilReturn: drains += Int.random(in: 0...1, using: &random)
        case .takeBack: drains = 0
        case .countDraining: return .draining(drains)
        case .makeEnd(let number, _):
            require(end == nil, "two ends")
            guard Int.random(in: 0..<6, using: &random) > 0 else { return .endFailed(Self.randomError(&random)) }
            end = number
            return .endMade
        case .leaveEnd:
            require(end != nil, "left an end that is not there")
            end = nil
        case .connect: require(end != nil, "connects without an end")
        case .wait(let next): wait = next
        case .cancelWait: wait = nil
        case .move(let step):
            if step.phase == .backoff { require(lastError?.isTerminal == false, "tries again for nothing") }
            let isSpecAtFault = step.reason == .notSupportedYet
            if step.phase == .failed { require(lastError?.isTerminal == true || isSpecAtFault, "gives up too early") }
        case .settle: unsettled -= 1
        case .finish: isOver = true
        case .apply, .beginAnew, .showRetry, .showMode, .showListeners, .log: break
        }
        return nil
    }

    /// What holds whenever no question is open.
    private mutating func check() {
        require(unsettled == 0, "\(unsettled) callers wait")
        require(Set(life.held) == held && life.held.count == held.count, "holds \(life.held), bound are \(held)")
        require(life.endNumber == end, "its end is \(life.endNumber ?? 0), made is \(end ?? 0)")
        require(life.waitNumber == wait?.number, "waits for \(life.waitNumber ?? 0), scheduled is \(wait?.number ?? 0)")
        switch life.step.phase {
        case .backoff: require(wait?.purpose == .retry || end != nil, "backoff, and nothing tries again")
        case .stopped, .draining:
            require(held.isEmpty && end == nil && wait == nil, "stopped, and holds something")
            require((drains == 0) == (life.step.phase == .stopped), "\(life.step.phase) with \(drains) draining")
        case .failed:
            require(held.isEmpty && end == nil, "failed, and holds something")
            require(wait == nil || wait?.purpose == .certificateLook, "failed, and tries again")
        default: break
        }
    }
}
