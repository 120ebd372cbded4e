import TestSupport

/// Random changes of bytes, as a fuzzer makes them.
struct ByteMutation {
    private var random: SeededRandom

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    /// Up to eight changes of one of the inputs.
    mutating func next(of inputs: [[UInt8]]) -> [UInt8] {
        var bytes = inputs.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...8, using: &random) { change(&bytes, inputs) }
        return Array(bytes.prefix(4096))
    }

    private mutating func change(_ bytes: inout [UInt8], _ inputs: [[UInt8]]) {
        let position = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: if position < bytes.count { bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
        case 1: bytes.insert(.random(in: .min ... .max, using: &random), at: position)
        case 2: if position < bytes.count { bytes.remove(at: position) }
        case 3: bytes.removeLast(bytes.count - position)
        case 4: bytes.insert(contentsOf: bytes.suffix(bytes.count - position).prefix(32), at: position)
        default:
            let other = inputs.randomElement(using: &random) ?? []
            let start = Int.random(in: 0...other.count, using: &random)
            bytes.replaceSubrange(position..., with: other[start...])
        }
    }
}
