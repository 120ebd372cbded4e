import NIOCore

/// Reads WebSocket frames (RFC 6455 §5.2) as their bytes come.
///
/// A message's bytes are passed on as they arrive, so that a frame which its peer announces and never
/// completes holds no memory. Only binary messages without extensions are accepted, as NodePass sends
/// them.
struct WebSocketFrameReader {
    enum Event: Hashable {
        /// Bytes of a message; `endsMessage` says that they are its last ones.
        case data(ByteBuffer, endsMessage: Bool)
        /// A whole message without a byte.
        case emptyMessage
        case ping(ByteBuffer)
        case pong
        case close
    }

    enum Problem: Error, Hashable {
        /// A client masks its frames and a server does not (RFC 6455 §5.1).
        case mask
        /// A text frame, a reserved opcode or bit, or a control frame in parts or over 125 bytes.
        case frame
        /// A part of a message that has not begun, or a message within another.
        case order
        case tooLong

        /// The status to close with (RFC 6455 §7.4.1).
        var status: UInt16 { self == .tooLong ? 1009 : 1002 }
    }

    /// One frame of a message, of which `left` bytes are still to come.
    private struct Part {
        var left: Int
        let isLast: Bool
        var mask: UInt32
    }

    private let expectsMask: Bool
    private let limitBytes: Int
    private var held = ByteBuffer()
    private var part: Part?
    private var isWithinMessage = false

    init(expectsMask: Bool, limitBytes: Int = TunnelLimits.webSocketFrameBytes) {
        self.expectsMask = expectsMask
        self.limitBytes = limitBytes
    }

    mutating func append(_ bytes: ByteBuffer) {
        // What is held is the beginning of a head or of a control frame.
        var bytes = bytes
        if held.readableBytes == 0 { held = bytes } else { held.writeBuffer(&bytes) }
    }

    /// The next event of what has come; nil when more has to come.
    mutating func next() throws(Problem) -> Event? {
        if let part { return readData(part) }
        guard let first: UInt8 = held.getInteger(at: held.readerIndex),
            let second: UInt8 = held.getInteger(at: held.readerIndex + 1)
        else { return nil }
        let opcode = WebSocketOpcode(rawValue: first & 0x0F)
        let isLast = first & 0x80 != 0
        guard let opcode, first & 0x70 == 0 else { throw .frame }
        guard (second & 0x80 != 0) == expectsMask else { throw .mask }
        if opcode.isControl, !isLast || second & 0x7F > 125 { throw .frame }
        if !opcode.isControl, (opcode == .continuation) != isWithinMessage { throw .order }
        return try readFrame(opcode, isLast, lengthCode: second & 0x7F)
    }

    private mutating func readFrame(
        _ opcode: WebSocketOpcode,
        _ isLast: Bool,
        lengthCode: UInt8
    ) throws(Problem) -> Event? {
        var rest = held
        rest.moveReaderIndex(forwardBy: 2)
        let length: UInt64? =
            switch lengthCode {
            case 127: rest.readInteger()
            case 126: rest.readInteger(as: UInt16.self).map(UInt64.init)
            default: UInt64(lengthCode)
            }
        guard let length else { return nil }
        guard length <= UInt64(limitBytes) else { throw .tooLong }
        let mask: UInt32? = expectsMask ? rest.readInteger(endianness: .little) : 0
        guard let mask else { return nil }
        guard opcode.isControl else {
            held = rest
            let isEmpty = !isWithinMessage && isLast && length == 0
            isWithinMessage = !isLast
            return isEmpty ? .emptyMessage : readData(Part(left: Int(length), isLast: isLast, mask: mask))
        }
        guard var payload = rest.readSlice(length: Int(length)) else { return nil }
        held = rest
        payload.applyWebSocketMask(mask)
        return switch opcode {
        case .ping: .ping(payload)
        case .pong: .pong
        default: .close
        }
    }

    private mutating func readData(_ part: Part) -> Event? {
        let count = min(part.left, held.readableBytes)
        guard count > 0 || part.left == 0 else {
            self.part = part
            return nil
        }
        var rest = part
        rest.left -= count
        rest.mask = part.mask.rotated(byBytes: count)
        self.part = rest.left == 0 ? nil : rest
        // All that is held is given away: the mask is then applied where the bytes are.
        let isAll = count == held.readableBytes
        var payload = isAll ? held : held.readSlice(length: count) ?? ByteBuffer()
        if isAll { held = ByteBuffer() }
        if expectsMask { payload.applyWebSocketMask(part.mask) }
        return .data(payload, endsMessage: rest.left == 0 && part.isLast)
    }
}

enum WebSocketOpcode: UInt8 {
    case continuation = 0
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    var isControl: Bool { rawValue >= 8 }
}

/// The beginning of a frame that is a whole message or control frame.
struct WebSocketFrameHead {
    let opcode: WebSocketOpcode
    let length: Int
    /// A client's; its bytes as they are in memory, the first one lowest.
    let mask: UInt32?

    /// Enough for any head.
    static let capacity = 14

    func write(to buffer: inout ByteBuffer) {
        let maskBit: UInt8 = mask == nil ? 0 : 0x80
        buffer.writeInteger(0x80 | opcode.rawValue)
        switch length {
        case ...125: buffer.writeInteger(maskBit | UInt8(length))
        case ...0xFFFF:
            buffer.writeInteger(maskBit | 126)
            buffer.writeInteger(UInt16(length))
        default:
            buffer.writeInteger(maskBit | 127)
            buffer.writeInteger(UInt64(length))
        }
        if let mask { buffer.writeInteger(mask, endianness: .little) }
    }
}

extension ByteBuffer {
    /// Applies the mask of RFC 6455 §5.3, or takes it away, eight bytes at a time.
    mutating func applyWebSocketMask(_ mask: UInt32) {
        guard mask != 0 else { return }
        let word = (UInt64(mask) << 32 | UInt64(mask)).littleEndian
        withUnsafeMutableReadableBytes { bytes in
            var index = 0
            while index + 8 <= bytes.count {
                let masked = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ word
                bytes.storeBytes(of: masked, toByteOffset: index, as: UInt64.self)
                index += 8
            }
            while index < bytes.count {
                bytes[index] ^= UInt8(truncatingIfNeeded: mask >> (8 * UInt32(index & 3)))
                index += 1
            }
        }
    }
}

extension UInt32 {
    /// The mask for what follows so many bytes.
    fileprivate func rotated(byBytes count: Int) -> UInt32 {
        let shift = UInt32(8 * (count & 3))
        return shift == 0 ? self : self >> shift | self << (32 - shift)
    }
}
