import Testing

@testable import Config

@Suite("Ports below 1024")
struct PrivilegedPortsTests {
    @Test(
        "are for a process with CAP_NET_BIND_SERVICE, as its status says",
        arguments: [
            ("Uid:\t998\nCapEff:\t0000000000000400\n", true), ("CapEff:\t000001ffffffffff\n", true),
            ("CapEff:\t0000000000000000\nCapBnd:\t0000000000000400\n", false), ("CapEff:\tx\n", false), ("", false),
        ]
    )
    func capability(_ status: String, _ isCapable: Bool) {
        #expect(PrivilegedPorts.isCapable(status: status) == isCapable)
    }
}
