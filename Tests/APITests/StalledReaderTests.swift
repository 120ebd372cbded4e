import NIOCore
import NIOEmbedded
import Testing

@testable import API

@Suite("A reader that takes nothing")
struct StalledReaderTests {
    private let channel = EmbeddedChannel()

    init() throws {
        try channel.pipeline.syncOperations.addHandler(StalledReader(limit: .seconds(30)))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private func become(writable: Bool) {
        channel.isWritable = writable
        channel.pipeline.fireChannelWritabilityChanged()
    }

    @Test("is cut when it has taken nothing for the limit")
    func cut() {
        become(writable: false)
        channel.embeddedEventLoop.advanceTime(by: .seconds(29))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive)
    }

    @Test("is not cut when it goes on reading in time, and has the whole limit again afterwards")
    func resumed() {
        become(writable: false)
        channel.embeddedEventLoop.advanceTime(by: .seconds(29))
        become(writable: true)
        channel.embeddedEventLoop.advanceTime(by: .seconds(300))
        #expect(channel.isActive)
        become(writable: false)
        channel.embeddedEventLoop.advanceTime(by: .seconds(29))
        #expect(channel.isActive)
    }
}
