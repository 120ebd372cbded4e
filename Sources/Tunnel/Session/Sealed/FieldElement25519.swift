/// An element of the field of 2²⁵⁵ − 19 elements, for mapping a hash to a point of Curve25519.
///
/// Five limbs of 51 bits, each below 2⁵² between operations. No branch and no memory access depends on
/// a value, so that the time taken says nothing about the tunnel key a value was made from.
/// Source: RFC 7748 §4.1 for the field and the encoding.
struct FieldElement25519 {
    private var limbs: (UInt64, UInt64, UInt64, UInt64, UInt64)

    private static let mask: UInt64 = (1 << 51) - 1

    private init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64, _ e: UInt64) {
        limbs = (a, b, c, d, e)
    }

    init(_ small: UInt32) {
        self.init(UInt64(small), 0, 0, 0, 0)
    }

    /// Reads 32 bytes, little-endian; the highest bit is ignored, as `decodeUCoordinate` says.
    init(_ bytes: [UInt8]) {
        precondition(bytes.count == 32)
        func word(_ offset: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
        }
        let (a, b, c, d) = (word(0), word(8), word(16), word(24))
        self.init(
            a & Self.mask,
            (a >> 51 | b << 13) & Self.mask,
            (b >> 38 | c << 26) & Self.mask,
            (c >> 25 | d << 39) & Self.mask,
            (d >> 12) & Self.mask
        )
    }

    /// The 32 bytes of the smallest representative, little-endian.
    var bytes: [UInt8] {
        var reduced = self
        reduced.carry()
        reduced.carry()
        // Adding 19 carries out of bit 255 exactly when the value is not below the prime.
        var quotient = (reduced.limbs.0 + 19) >> 51
        quotient = (reduced.limbs.1 + quotient) >> 51
        quotient = (reduced.limbs.2 + quotient) >> 51
        quotient = (reduced.limbs.3 + quotient) >> 51
        quotient = (reduced.limbs.4 + quotient) >> 51
        var (a, b, c, d, e) = reduced.limbs
        a += 19 * quotient
        b += a >> 51
        c += b >> 51
        d += c >> 51
        e += d >> 51
        (a, b, c, d, e) = (a & Self.mask, b & Self.mask, c & Self.mask, d & Self.mask, e & Self.mask)
        let words = [a | b << 51, b >> 13 | c << 38, c >> 26 | d << 25, d >> 39 | e << 12]
        return words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) } }
    }

    private mutating func carry() {
        var (a, b, c, d, e) = limbs
        b += a >> 51
        c += b >> 51
        d += c >> 51
        e += d >> 51
        a = a & Self.mask + 19 * (e >> 51)
        limbs = (a, b & Self.mask, c & Self.mask, d & Self.mask, e & Self.mask)
    }

    static func + (x: Self, y: Self) -> Self {
        var sum = Self(
            x.limbs.0 + y.limbs.0,
            x.limbs.1 + y.limbs.1,
            x.limbs.2 + y.limbs.2,
            x.limbs.3 + y.limbs.3,
            x.limbs.4 + y.limbs.4
        )
        sum.carry()
        return sum
    }

    static prefix func - (x: Self) -> Self {
        // Twice the prime keeps every limb above zero.
        let (low, high): (UInt64, UInt64) = (2 * (mask - 18), 2 * mask)
        var negative = Self(
            low - x.limbs.0,
            high - x.limbs.1,
            high - x.limbs.2,
            high - x.limbs.3,
            high - x.limbs.4
        )
        negative.carry()
        return negative
    }

    static func * (x: Self, y: Self) -> Self {
        let (a, b) = (x.limbs, y.limbs)
        func product(_ x: UInt64, _ y: UInt64) -> UInt128 { UInt128(x) * UInt128(y) }
        // A limb's weight beyond 2²⁵⁵ comes back 19 times at its bottom.
        let (b1, b2, b3, b4) = (19 * b.1, 19 * b.2, 19 * b.3, 19 * b.4)
        let c0 = product(a.0, b.0) + product(a.1, b4) + product(a.2, b3) + product(a.3, b2) + product(a.4, b1)
        var c1 = product(a.0, b.1) + product(a.1, b.0) + product(a.2, b4) + product(a.3, b3) + product(a.4, b2)
        var c2 = product(a.0, b.2) + product(a.1, b.1) + product(a.2, b.0) + product(a.3, b4) + product(a.4, b3)
        var c3 = product(a.0, b.3) + product(a.1, b.2) + product(a.2, b.1) + product(a.3, b.0) + product(a.4, b4)
        var c4 = product(a.0, b.4) + product(a.1, b.3) + product(a.2, b.2) + product(a.3, b.1) + product(a.4, b.0)
        c1 += c0 >> 51
        c2 += c1 >> 51
        c3 += c2 >> 51
        c4 += c3 >> 51
        let low = UInt64(truncatingIfNeeded: c0) & mask
        let second = UInt64(truncatingIfNeeded: c1) & mask
        let top = UInt128(low) + 19 * (c4 >> 51)
        return Self(
            UInt64(truncatingIfNeeded: top) & mask,
            second + UInt64(truncatingIfNeeded: top >> 51),
            UInt64(truncatingIfNeeded: c2) & mask,
            UInt64(truncatingIfNeeded: c3) & mask,
            UInt64(truncatingIfNeeded: c4) & mask
        )
    }

    /// This to the power of a public number, given as its bits, highest first.
    private func power(_ bits: some Sequence<Bool>) -> Self {
        bits.reduce(Self(1)) { result, isSet in isSet ? result * result * self : result * result }
    }

    /// One divided by this; zero for zero.
    var inverse: Self {
        // The prime less 2: 250 ones, then 01011.
        power(Array(repeating: true, count: 250) + [false, true, false, true, true])
    }

    /// All ones when some element's square is this (Euler's criterion), else zero.
    ///
    /// Says of zero that it is none, which is as good for `mappedToCurve` and as unlikely as a guessed key.
    private var squareMask: UInt64 {
        // Half of the prime less 1, which is 2²⁵⁴ − 10. The power is 1 or −1, and −1 is even.
        0 &- UInt64(power(Array(repeating: true, count: 250) + [false, true, true, false]).bytes[0] & 1)
    }

    /// `x` where the mask is all ones, `other` where it is zero, in the same time.
    private static func choose(_ x: Self, _ other: Self, _ mask: UInt64) -> Self {
        func pick(_ a: UInt64, _ b: UInt64) -> UInt64 { a & mask | b & ~mask }
        return Self(
            pick(x.limbs.0, other.limbs.0),
            pick(x.limbs.1, other.limbs.1),
            pick(x.limbs.2, other.limbs.2),
            pick(x.limbs.3, other.limbs.3),
            pick(x.limbs.4, other.limbs.4)
        )
    }

    /// The u-coordinate of the point of Curve25519 that this maps to.
    ///
    /// Source: RFC 9380 §6.7.1 (Elligator 2) with J = 486662, K = 1 and Z = 2.
    var mappedToCurve: Self {
        let j = Self(486_662)
        // 1 + Z·u² is never zero: −1/2 has no square root in this field.
        let x1 = -j * (Self(1) + Self(2) * self * self).inverse
        let curve = x1 * (x1 * x1 + j * x1 + Self(1))
        return Self.choose(x1, -x1 + -j, curve.squareMask)
    }
}
