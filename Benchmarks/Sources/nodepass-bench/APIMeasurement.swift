/// How fast the API answers, and what an answer costs: with few tunnels and with many.
struct APIMeasurement {
    private static let tunnelCounts = [10, 1000]

    let load: RequestLoad
    let target: UInt16
    let rounds: Int
    let directory: TemporaryDirectory

    func run(_ subjects: [Subject], into results: inout Results) {
        for count in Self.tunnelCounts {
            let servers = serve(subjects, tunnels: count, &results)
            defer { servers.forEach { $0.stop() } }
            for question in RequestLoad.Question.allCases { takeTurns(question, count, servers, &results) }
        }
    }

    /// Those that keep tunnels come first: nginx serves what the first of them answers.
    private func serve(_ subjects: [Subject], tunnels count: Int, _ results: inout Results) -> [APIServer] {
        let tunnels = ManyTunnels(count: count, target: target)
        var servers: [APIServer] = []
        for subject in subjects where APIServer.canServe(subject) {
            Console.note("api \(count) tunnels: \(subject.name) gets ready")
            do {
                servers.append(try APIServer(subject, tunnels, sameAs: servers.first, in: directory))
            } catch {
                results.remark("\(subject.name), api, \(count) tunnels: left out, \(error)")
            }
        }
        return servers
    }

    private func takeTurns(
        _ question: RequestLoad.Question,
        _ count: Int,
        _ servers: [APIServer],
        _ results: inout Results
    ) {
        let scenario = "\(count) tunnels, \(question.title)"
        var failed: Set<String> = []
        for round in 1...rounds {
            for server in servers where server.answers(question) && !failed.contains(server.subject.name) {
                let name = server.subject.name
                do {
                    let outcome = try load.run(question, to: server, in: directory)
                    results.add(.api, scenario, name, outcome.values)
                    let text = outcome.values.map { "\(Table.number($0.1)) \($0.0.rawValue)" }.joined(separator: ", ")
                    Console.note("api \(scenario) \(round)/\(rounds) \(name): \(text)")
                    if outcome.failures > 0 { results.remark("\(name), api \(scenario): not every request succeeded") }
                } catch {
                    failed.insert(name)
                    results.remark("\(name), api \(scenario): \(error); not tried again")
                }
            }
        }
    }
}
