import NIOCore

extension Channel {
    /// Has a channel read by itself from now on, whatever kind it is.
    ///
    /// A socket begins to read when its automatic reads are turned on; a stream of HTTP/2 only goes
    /// on. On the channel's loop only.
    func readFreely() throws {
        try syncOptions?.setOption(.autoRead, value: true)
        readSoon()
    }

    /// Asks for the next bytes, which come after the caller has returned: a stream of HTTP/2 would
    /// deliver what it has at once, ahead of what the caller still holds.
    func readSoon() {
        eventLoop.execute { self.read() }
    }
}
