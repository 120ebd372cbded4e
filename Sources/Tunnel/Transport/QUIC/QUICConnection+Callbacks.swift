#if QUIC
import CQUIC
import NIOCore

/// What the library says while it works: kept until `process`.
extension QUICConnection {
    private func touch(_ id: Int64) -> QUICStreamChannel? {
        guard let channel = streams[id] else { return nil }
        if !channel.isTouched {
            channel.isTouched = true
            touched.append(channel)
        }
        return channel
    }

    private static func connection(_ owner: UnsafeMutableRawPointer?) -> QUICConnection? {
        owner.map { Unmanaged<QUICConnection>.fromOpaque($0).takeUnretainedValue() }
    }

    private func peerOpened(_ id: Int64, _ stream: OpaquePointer) {
        guard let parent = endpoint?.channel else { return }
        streams[id] = QUICStreamChannel(self, id: id, stream: stream, parent: parent, isOfPeer: true)
    }

    private func add(_ id: QUICID) {
        ids.insert(id)
        endpoint?.add(id, self)
    }

    private func remove(_ id: QUICID) {
        ids.remove(id)
        endpoint?.remove(id)
    }

    static var callbacks: cq_events {
        cq_events(
            handshake_done: { QUICConnection.connection($0)?.isHandshakeDone = true },
            stream_opened: { owner, id, stream in
                guard let stream else { return }
                QUICConnection.connection(owner)?.peerOpened(id, stream)
            },
            stream_data: { owner, id, data, length, isLast in
                guard let connection = QUICConnection.connection(owner) else { return }
                connection.uncredited += length
                let bytes = UnsafeRawBufferPointer(start: data, count: length)
                connection.touch(id)?.received(bytes, isLast: isLast != 0)
            },
            stream_reset: { owner, id in QUICConnection.connection(owner)?.touch(id)?.wasReset() },
            stream_stopped: { owner, id in QUICConnection.connection(owner)?.touch(id)?.wasStopped() },
            stream_sent: { owner, id, bytes in QUICConnection.connection(owner)?.touch(id)?.left(bytes) },
            stream_closed: { owner, id in QUICConnection.connection(owner)?.touch(id)?.streamClosed() },
            id_added: { owner, id, length in
                QUICConnection.connection(owner)?.add(QUICID(UnsafeBufferPointer(start: id, count: length)))
            },
            id_removed: { owner, id, length in
                QUICConnection.connection(owner)?.remove(QUICID(UnsafeBufferPointer(start: id, count: length)))
            }
        )
    }
}
#endif
