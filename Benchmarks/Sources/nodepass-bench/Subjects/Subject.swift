/// What is measured, or what it is compared with.
enum Subject {
    case nodepass(String)
    case haproxy(String)
    /// What the API's answers cost a server that has them as files.
    case nginx(String)
    /// The founding implementation, in Go; it takes the same URLs.
    case reference(String)
    /// No tunnel at all: what the load generator and the kernel can do here.
    case direct

    var name: String {
        switch self {
        case .nodepass: Self.ours
        case .haproxy: "haproxy"
        case .nginx: "nginx"
        case .reference: "reference"
        case .direct: "direct"
        }
    }

    /// What ratios are of.
    static let ours = "nodepass"

    func supports(_ layout: Layout) -> Bool {
        switch self {
        case .nodepass, .reference: true
        case .haproxy, .direct: layout == .single
        case .nginx: false
        }
    }

    /// haproxy carries no UDP.
    var carriesDatagrams: Bool {
        if case .haproxy = self { return false }
        return true
    }

    /// What it says about itself; the founding implementation has no way to ask.
    func version(in directory: TemporaryDirectory) -> String? {
        let call: (path: String, argument: String)
        switch self {
        case .nodepass(let path): call = (path, "--version")
        case .haproxy(let path), .nginx(let path): call = (path, "-v")
        case .reference, .direct: return nil
        }
        guard let process = try? ChildProcess(call.path, [call.argument], in: directory) else { return nil }
        return process.succeeds() ? process.firstLine : nil
    }

    /// The program that takes NodePass's URLs, if it is one.
    var urlProgram: String? {
        switch self {
        case .nodepass(let path), .reference(let path): path
        case .haproxy, .nginx, .direct: nil
        }
    }
}
