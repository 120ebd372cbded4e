import Crypto
import FoundationEssentials
package import NIOCore

/// Writes and reads the lines of the control link: JSON, hidden or sealed, then base64 and a line
/// feed.
///
/// NodePass v1.14 hides with XOR under the tunnel key, which keeps nobody out; two of ours seal
/// with ChaCha20-Poly1305 (RFC 8439) under a key of the session, each line numbered, so that none
/// can be read, changed, repeated or left out.
package struct SignalCodec: Sendable {
    private var protection: Protection

    private enum Protection: Sendable {
        case hidden(key: [UInt8])
        case sealed(SealedDirection, SealedDirection)
    }

    /// Why a line means nothing.
    package enum BadLine: Error, Hashable {
        case notBase64
        case notASignal
        /// Sealed lines only: changed, repeated or out of order; the control link is not to be
        /// trusted any more.
        case forged
    }

    /// NodePass's own protection, under a key that is not empty.
    package init(tunnelKey: String) {
        protection = .hidden(key: Array(tunnelKey.utf8))
    }

    /// Between two of ours: `secret` is the session's, `role` the side that writes with this codec.
    init(secret: SessionSecret, writer: SessionSide) {
        protection = .sealed(
            SealedDirection(key: secret.signalKey(from: writer)),
            SealedDirection(key: secret.signalKey(from: writer.other))
        )
    }

    /// The signal's line, line feed included.
    package mutating func encode(_ signal: Signal) -> ByteBuffer {
        let plain = Array(signal.json.utf8)
        let bytes: [UInt8]
        switch protection {
        case .hidden(let key): bytes = Self.xor(plain, key)
        case .sealed(var writing, let reading):
            bytes = writing.seal(plain)
            protection = .sealed(writing, reading)
        }
        return ByteBuffer(string: Data(bytes).base64EncodedString() + "\n")
    }

    /// The signal of a line without its line feed.
    package mutating func decode(_ line: [UInt8]) throws(BadLine) -> Signal {
        guard let bytes = Data(base64Encoded: Data(line)), !bytes.isEmpty else { throw .notBase64 }
        let plain: [UInt8]
        switch protection {
        case .hidden(let key): plain = Self.xor(Array(bytes), key)
        case .sealed(let writing, var reading):
            plain = try reading.open(bytes)
            protection = .sealed(writing, reading)
        }
        let fields = try? JSONDecoder().decode(SignalFields.self, from: Data(plain))
        guard let signal = fields.flatMap({ Signal($0) }) else { throw .notASignal }
        return signal
    }

    private static func xor(_ bytes: [UInt8], _ key: [UInt8]) -> [UInt8] {
        bytes.enumerated().map { index, byte in byte ^ key[index % key.count] }
    }
}

/// One direction of sealed lines: the nonce is the line's number, so each line opens once and in
/// its turn.
private struct SealedDirection: Sendable {
    private let key: SymmetricKey
    private var number: UInt64 = 0

    init(key: SymmetricKey) {
        self.key = key
    }

    mutating func seal(_ plain: [UInt8]) -> [UInt8] {
        guard let box = try? ChaChaPoly.seal(plain, using: key, nonce: nextNonce()) else { return [] }
        return Array(box.ciphertext + box.tag)
    }

    mutating func open(_ bytes: Data) throws(SignalCodec.BadLine) -> [UInt8] {
        do {
            let nonce = try nextNonce()
            let box = try ChaChaPoly.SealedBox(nonce: nonce, ciphertext: bytes.dropLast(16), tag: bytes.suffix(16))
            return try Array(ChaChaPoly.open(box, using: key))
        } catch {
            throw .forged
        }
    }

    private mutating func nextNonce() throws -> ChaChaPoly.Nonce {
        defer { number += 1 }
        var bytes = [UInt8](repeating: 0, count: 12)
        withUnsafeBytes(of: number.littleEndian) { bytes.replaceSubrange(4..<12, with: $0) }
        return try ChaChaPoly.Nonce(data: bytes)
    }
}

/// Cuts the control link's bytes into lines, none longer than a limit.
package struct SignalLines: Sendable {
    private var held = ByteBuffer()
    private let limitBytes: Int

    package struct TooLong: Error, Hashable {}

    package init(limitBytes: Int = TunnelLimits.signalLineBytes) {
        self.limitBytes = limitBytes
    }

    package mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        held.writeBuffer(&bytes)
    }

    /// The next whole line without its line feed, or nil; throws when one has grown past the limit.
    package mutating func next() throws(TooLong) -> [UInt8]? {
        guard let length = held.readableBytesView.firstIndex(of: UInt8(ascii: "\n")).map({ $0 - held.readerIndex })
        else {
            guard held.readableBytes <= limitBytes else { throw TooLong() }
            return nil
        }
        guard length <= limitBytes else { throw TooLong() }
        let line = held.readBytes(length: length)
        held.moveReaderIndex(forwardBy: 1)
        held.discardReadBytes()
        return line
    }
}
