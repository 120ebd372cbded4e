import Config
import NIOCore

/// What is tried next for one user: every target in rotation order, every address of each, and the
/// addresses that a fresh look-up adds where none of the known ones answers.
struct DialAttempts {
    enum Step {
        case connect(SocketAddress)
        /// Ask for a name's addresses; where `isDoubted`, those that are known have not answered.
        case resolve(Endpoint, isDoubted: Bool)
        case giveUp(TunnelError)
    }

    private let rotation: TargetRotation
    private var targets: ArraySlice<Int>
    private var current = 0
    private var addresses: ArraySlice<SocketAddress> = []
    private var known: [SocketAddress] = []
    private var isFresh = false
    private var problem = ""
    private var failure = TargetFailure.other
    private var problems: [String] = []

    init(_ rotation: TargetRotation) {
        self.rotation = rotation
        targets = rotation.order()[...]
    }

    mutating func begin() -> Step { nextTarget() }

    private mutating func nextTarget() -> Step {
        guard let index = targets.popFirst() else {
            return .giveUp(TunnelError(.targetUnreachable, problems.joined(separator: "; ")))
        }
        current = index
        isFresh = false
        known = []
        if let literal = rotation.literals[index] { return .connect(literal) }
        return .resolve(rotation.targets[index], isDoubted: false)
    }

    mutating func resolved(_ result: Result<[SocketAddress], any Error>) -> Step {
        switch result {
        case .success(let found):
            addresses = found.filter { !known.contains($0) }[...]
            known += addresses
        case .failure(let error):
            // A look-up after a failure only adds to what went wrong before it.
            if !isFresh { note(error) }
        }
        return nextAddress()
    }

    private mutating func nextAddress() -> Step {
        if let address = addresses.popFirst() { return .connect(address) }
        if !isFresh, !known.isEmpty {
            isFresh = true
            return .resolve(rotation.targets[current], isDoubted: true)
        }
        rotation.failed(current, failure, problem)
        problems.append("\(rotation.targets[current]): \(problem)")
        return nextTarget()
    }

    /// The address of the last step was not reached.
    mutating func failed(_ error: any Error) -> Step {
        // No other target would be reached without a descriptor either, and this one is not at fault.
        if (error as? IOError)?.isOutOfDescriptors == true {
            return .giveUp(TunnelError.noDescriptor(for: "\(rotation.targets[current])"))
        }
        note(error)
        return nextAddress()
    }

    private mutating func note(_ error: any Error) {
        problem = TargetDialer.problem(of: error)
        failure = TargetFailure(error)
    }

    func succeeded() {
        rotation.succeeded(current)
    }
}
