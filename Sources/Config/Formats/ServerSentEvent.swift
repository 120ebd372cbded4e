/// One block of a stream of server-sent events; comments such as the daemon's `: ping` are not
/// events.
package struct ServerSentEvent: Sendable, Hashable {
    package var name = ""
    package var id: String?
    package var data = ""

    package init(name: String = "", id: String? = nil, data: String = "") {
        self.name = name
        self.id = id
        self.data = data
    }
}
