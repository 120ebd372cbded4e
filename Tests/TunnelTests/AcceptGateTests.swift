import Glibc
import NIOCore
import NIOEmbedded
import Testing

@testable import Tunnel

@Suite("The gate of a listener")
struct AcceptGateTests {
    private final class Record {
        var isOpen = true
        var failures: [Int32] = []
    }

    private let record = Record()
    private let listener = EmbeddedChannel()

    init() throws {
        let gate = AcceptGate { [record] _ in
            record.isOpen
        } failed: { [record] in
            record.failures.append($0.errnoCode)
        }
        try listener.pipeline.syncOperations.addHandler(gate)
        try listener.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// Whether it reads by itself; nil before anybody has turned that off or on.
    private var isReading: Bool? {
        listener.options.last { $0.option is ChannelOptions.Types.AutoReadOption }?.value as? Bool
    }

    private func accept() throws -> EmbeddedChannel {
        let connection = EmbeddedChannel()
        try connection.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 2)).wait()
        try listener.writeInbound(connection as any Channel)
        // Where a close is completed.
        connection.embeddedEventLoop.run()
        return connection
    }

    @Test("passes on what is admitted")
    func admitted() throws {
        let connection = try accept()
        #expect(try listener.readInbound(as: (any Channel).self) === connection)
        #expect(connection.isActive && isReading == nil)
    }

    @Test("closes what is not admitted, and accepts nothing for 100 ms")
    func refused() throws {
        record.isOpen = false
        let connections = [try accept(), try accept()]
        #expect(!connections.contains { $0.isActive })
        #expect(try listener.readInbound(as: (any Channel).self) == nil)
        #expect(isReading == false)
        listener.embeddedEventLoop.advanceTime(by: .milliseconds(99))
        #expect(isReading == false)
        listener.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(isReading == true)
        _ = try accept()
        #expect(isReading == false)
    }

    @Test("accepts nothing for 100 ms after the system has refused", arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func failed(_ code: Int32) throws {
        for _ in 0..<2 { listener.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept")) }
        try listener.throwIfErrorCaught()
        #expect(record.failures == [code, code])
        #expect(isReading == false)
        listener.embeddedEventLoop.advanceTime(by: .milliseconds(100))
        #expect(isReading == true)
    }

    @Test("accepts nothing while a connection that it refused is still open")
    func leaving() throws {
        record.isOpen = false
        let connection = EmbeddedChannel()
        let stubborn = Stubborn()
        try connection.pipeline.syncOperations.addHandler(stubborn)
        try connection.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 2)).wait()
        try listener.writeInbound(connection as any Channel)
        #expect(isReading == false && connection.isActive)
        listener.embeddedEventLoop.advanceTime(by: .milliseconds(500))
        #expect(isReading == false)
        stubborn.close?()
        connection.embeddedEventLoop.run()
        listener.embeddedEventLoop.advanceTime(by: .milliseconds(100))
        #expect(isReading == true)
    }

    /// Closes its channel when it is told to, not when it is asked to.
    private final class Stubborn: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer

        var close: (() -> Void)?

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            close = { context.close(mode: mode, promise: promise) }
        }
    }

    @Test("leaves a closed listener alone")
    func closed() throws {
        listener.pipeline.fireErrorCaught(IOError(errnoCode: EMFILE, reason: "accept"))
        try listener.close().wait()
        listener.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(isReading == false)
    }
}
