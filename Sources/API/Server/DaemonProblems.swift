package import FoundationEssentials
package import Reconciler
package import Tunnel

/// The problems of the daemon that are neither a tunnel's nor the manifest's.
package struct DaemonProblems: Sendable {
    private let descriptors: DescriptorBudget
    private let listening: ListenerBoard
    private let credentials: ServerCredentials?

    package init(descriptors: DescriptorBudget, listening: ListenerBoard, credentials: ServerCredentials?) {
        self.descriptors = descriptors
        self.listening = listening
        self.credentials = credentials
    }

    package func all(now: Date) -> [Problem] {
        var problems: [Problem] = []
        let (plan, taken) = (descriptors.plan, descriptors.figures.taken)
        if taken >= plan.users {
            problems.append(
                Problem(
                    .descriptors,
                    "users are refused: tunnels hold \(taken) file descriptors, and users may fill \(plan.users)",
                    remedy: "raise the limit (LimitNOFILE, ulimit -n), or set `limits.connections`"
                )
            )
        }
        if let problem = listening.problem {
            problems.append(Problem(.api, "the API does not listen on TCP: \(problem)", remedy: ""))
        }
        if let certificate = credentials?.current().certificate {
            problems += [Problem.certificate(certificate, now: now)].compactMap(\.self)
        }
        return problems
    }
}
