import ArgumentParser
import Foundation

/// `nodepass-bench`: one load generator, several subjects in turn, ratios.
///
/// `BenchmarkRun` decides what is measured when, `Loads/` are the measurements, `Subjects/` what is measured,
/// `Results/` what is printed.
@main
struct NodePassBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodepass-bench",
        abstract: "Measure nodepass beside its peers on this machine.",
        discussion: """
            haproxy and nginx join in when PATH has them; the founding implementation when NODEPASS_PEER names its program.
            """
    )

    @Option(help: "The nodepass to measure; without it, this repository's is built for release.")
    var nodepass: String?

    @Option(help: "Where the release build goes, as swift build's option of this name.")
    var scratchPath: String?

    @Option(help: "What to measure; everything by default (repeatable).")
    var only: [Section] = []

    @Option(help: "How tunnels are set up; every way by default (repeatable).")
    var layout: [Layout] = []

    @Option(help: "How long each measurement takes, in seconds.")
    var seconds = 3.0

    @Option(help: "How often each measurement is repeated, the subjects taking turns.")
    var rounds = 3

    @Option(help: "Datagrams offered per second (repeatable; 20000, 50000 and 100000 by default).")
    var rate: [Int] = []

    @Option(help: "How many tunnels one process runs in the section scale.")
    var tunnels = 5000

    @Option(help: "How many follow the events of one daemon in the section events.")
    var subscribers = 1000

    @Option(help: "How many events a second there are to follow.")
    var eventRate = 200

    @Option(help: "Write the results as JSON to this file; - is stdout, in place of the table.")
    var json: String?

    func validate() throws {
        guard seconds > 0, seconds <= 60 else { throw ValidationError("--seconds must be above 0 and at most 60") }
        guard (1...100).contains(rounds) else { throw ValidationError("--rounds must be 1 to 100") }
        guard rate.allSatisfy({ (1...10_000_000).contains($0) }) else {
            throw ValidationError("--rate must be 1 to 10000000")
        }
        guard (2...ManyTunnels.limit).contains(tunnels) else {
            throw ValidationError("--tunnels must be 2 to \(ManyTunnels.limit)")
        }
        guard (2...EventLoad.subscriberLimit).contains(subscribers) else {
            throw ValidationError("--subscribers must be 2 to \(EventLoad.subscriberLimit)")
        }
        guard (1...EventLoad.rateLimit).contains(eventRate) else {
            throw ValidationError("--event-rate must be 1 to \(EventLoad.rateLimit)")
        }
    }

    func run() throws {
        let directory = try TemporaryDirectory()
        Children.endOnSignals { directory.remove() }
        defer {
            Children.endAll()
            directory.remove()
        }
        do {
            try measure(in: directory)
        } catch let failure as BenchmarkFailure {
            Console.note(failure.description)
            throw ExitCode.failure
        }
    }

    private func measure(in directory: TemporaryDirectory) throws {
        let program = try nodepass ?? ReleaseBuild.path(scratch: scratchPath, in: directory)
        let machine = Machine()
        let subjects = try Subjects(nodepass: program)
        var run = try BenchmarkRun(
            subjects: subjects,
            plan: BenchmarkRun.Plan(
                sections: only.isEmpty ? Section.allCases : only,
                layouts: layout.isEmpty ? Layout.allCases : layout,
                seconds: seconds,
                rounds: rounds,
                rates: rate.isEmpty ? [20_000, 50_000, 100_000] : rate,
                tunnels: tunnels,
                events: EventLoad(subscribers: subscribers, rate: eventRate, seconds: seconds)
            ),
            directory: directory
        )
        for subject in subjects.all {
            if let version = subject.version(in: directory) { run.remark("\(subject.name) is \(version)") }
        }
        if !machine.isQuiet { run.remark("the machine was busy before the run: load \(machine.load)") }
        run.run()
        let file = ResultsFile(run.results, machine: machine, rounds: rounds, seconds: seconds)
        if json != "-" { print(Table(results: run.results, machine: machine).text) }
        guard let json else { return }
        let data = try file.data() + Data("\n".utf8)
        if json == "-" {
            FileHandle.standardOutput.write(data)
        } else {
            try data.write(to: URL(fileURLWithPath: json))
        }
    }
}
