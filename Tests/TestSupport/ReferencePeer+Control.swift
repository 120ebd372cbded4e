import NIOCore

extension ReferencePeer {
    /// Waits for the control connection.
    package func controlUp() async throws {
        try await state.wait(for: "the control connection") { $0.control }
    }

    /// Waits until the other side has ended the control connection.
    package func controlDown() async throws {
        let control = try await state.wait(for: "the control connection") { $0.control }
        try await control.inbox.wait(for: "the end of control") { $0.hasEnded ? true : nil }
    }

    package func send(_ signal: ReferenceSignal) throws {
        try send(json: signal.json)
    }

    /// Sends any JSON as a line, coded with the key.
    package func send(json: String) throws {
        try sendRaw(codec.line(json))
    }

    /// Sends text on control as it is.
    package func sendRaw(_ text: String) throws {
        guard let control = state.current.control else { throw ReferencePeerError.noControl }
        control.channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
    }

    /// The oldest unread signal of this action; without an action, of any but `ping` and `pong`.
    package func nextSignal(_ action: String? = nil) async throws -> ReferenceSignal {
        try await nextSignal(action, limit: .seconds(30))
    }

    func nextSignal(_ action: String?, limit: Duration?) async throws -> ReferenceSignal {
        try await state.wait(for: "a signal \(action ?? "")", limit: limit) { state in
            let index = state.signals.firstIndex { signal in
                action.map { signal.action == $0 } ?? !["ping", "pong"].contains(signal.action)
            }
            return index.map { state.signals.remove(at: $0) }
        }
    }

    /// What has come and nobody has read.
    package var unreadSignals: [ReferenceSignal] { state.current.signals }

    /// Waits until so many lines have come that could not be read.
    package func unreadableLines(atLeast count: Int) async throws {
        try await state.wait(for: "\(count) unreadable lines") { $0.unreadableLines >= count ? true : nil }
    }

    /// Sends the tunnel's verify, about the oldest idle link unless one is given, and returns that link.
    @discardableResult
    package func sendVerify(of given: ReferenceLink? = nil) async throws -> ReferenceLink {
        let link = if let given { given } else { try await takeLink() }
        state.change { $0.ownVerify = link }
        if manners.contains(.closesVerifyLinkFirst) { await link.close() }
        try send(ReferenceSignal("verify", id: link.id, fp: shownFingerprint(of: link)))
        return link
    }

    private func shownFingerprint(of link: ReferenceLink) -> String? {
        if manners.contains(.verifiesWithoutFingerprint) { return nil }
        if manners.contains(.namesWrongFingerprint) {
            return "sha256:" + Array(repeating: "00", count: 32).joined(separator: ":")
        }
        return fingerprint(of: link)
    }

    private func fingerprint(of link: ReferenceLink) -> String? {
        certificate?.fingerprint ?? link.fingerprint
    }

    /// Reads the other side's verify and judges it; what v1.14 restarts for stops this peer and throws.
    package func acceptVerify() async throws {
        let signal = try await nextSignal("verify")
        do {
            try await judgeVerify(signal)
        } catch {
            await stop()
            throw error
        }
    }

    private func judgeVerify(_ signal: ReferenceSignal) async throws {
        guard !manners.contains(.verifiesWithoutFingerprint) else {
            throw ReferencePeerError.fatal("any verify is one too many")
        }
        guard let fp = signal.fp, let id = signal.id else { throw ReferencePeerError.fatal("verify without id or fp") }
        let own = state.current.ownVerify
        let isCollision = own?.id == id
        if isCollision, manners.contains(.diesOfCollision) {
            throw ReferencePeerError.fatal("both ends verify link \(id)")
        }
        let link = if let own, isCollision { own } else { try await claim(id: id) }
        guard fp == fingerprint(of: link) else { throw ReferencePeerError.fatal("verify names another certificate") }
        await link.close()
    }

    // MARK: - For the handler of control

    /// Sends the first ping at once and others from time to time, as long as control lives.
    func startPinging(on channel: any Channel) {
        guard !manners.contains(.silentOnControl) else { return }
        channel.eventLoop.execute {
            self.beat()
            guard self.manners.contains(.sendsLongLine) else { return }
            let filler = String(repeating: "x", count: Self.longLineBytes)
            try? self.send(json: #"{"action":"x-long","x":"\#(filler)"}"#)
        }
        channel.eventLoop.scheduleRepeatedTask(initialDelay: report, delay: report) { task in
            if channel.isActive { self.beat() } else { task.cancel() }
        }
    }

    private func beat() {
        if manners.contains(.sendsGarbageLines) {
            try? sendRaw("not base64 at all!\nAAAA\n")
            try? send(ReferenceSignal("x-unknown"))
        }
        try? send(.ping)
    }

    /// Notes a line without its newline, and answers a ping.
    func receive(_ line: ByteBufferView) {
        guard let signal = codec.signal(line) else { return state.change { $0.unreadableLines += 1 } }
        state.change { $0.signals.append(signal) }
        if signal == .ping, !manners.contains(.silentOnControl) { try? send(.pong) }
    }
}
