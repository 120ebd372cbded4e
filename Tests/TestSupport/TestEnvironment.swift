import FoundationEssentials

/// What the environment may say about how long a test explores, and with which chance.
package enum TestEnvironment {
    /// `NODEPASS_TEST_SEED` where it is set, to repeat what a failing test named, else a new seed.
    package static func seed() -> UInt64 {
        number("NODEPASS_TEST_SEED").map(UInt64.init) ?? .random(in: 1...999_999)
    }

    /// A variable's value where it is a number above zero.
    package static func number(_ variable: String) -> Int? {
        ProcessInfo.processInfo.environment[variable].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    }
}
