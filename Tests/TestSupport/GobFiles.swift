import FoundationEssentials

/// State files as Go's `encoding/gob` writes them, with invented content.
package enum GobFiles {
    /// A NodePass v1.14 master's `nodepass.gob`: the key's row, a running server, a stopped and a running client, and an
    /// instance in `error` whose URL cannot be read.
    package static var master: [UInt8] { bytes(masterText) }
    package static let masterKey = "0123456789abcdef0123456789abcdef"
    package static let masterID = "fedcba9876543210"

    /// One instance of a version that does not exist, whose fields have every kind of type there is.
    package static var later: [UInt8] { bytes(laterText) }

    /// A list of three texts.
    package static var foreign: [UInt8] { bytes("DP+VAgEC/5YAAQwAABH/lgADA25vdAFhBm1hc3Rlcg==") }

    private static func bytes(_ text: String) -> [UInt8] {
        Array(Data(base64Encoded: text.filter { !$0.isWhitespace }) ?? Data())
    }

    private static let masterText = """
        D/+JBAEC/4oAAQwB/4IAAP4BI/+BAwEC/4IAARkBAklEAQwAAQVBbGlhcwEMAAEEVHlwZQEMAAEGU3RhdHVzAQwAAQNVUkwBDAAB
        BkNvbmZpZwEMAAEHUmVzdGFydAECAAEETWV0YQH/hAABBE1vZGUBBAABBFBpbmcBBAABBFBvb2wBBAABBFRDUFMBBAABBFVEUFMB
        BAABBVRDUFJYAQYAAQVUQ1BUWAEGAAEFVURQUlgBBgABBVVEUFRYAQYAAQlUQ1BSWEJhc2UBBgABCVRDUFRYQmFzZQEGAAEJVURQ
        UlhCYXNlAQYAAQlVRFBUWEJhc2UBBgABClRDUFJYUmVzZXQBBgABClRDUFRYUmVzZXQBBgABClVEUFJYUmVzZXQBBgABClVEUFRY
        UmVzZXQBBgAAACb/gwMBAQRNZXRhAf+EAAECAQRQZWVyAf+GAAEEVGFncwH/iAAAAC3/hQMBAQRQZWVyAf+GAAEDAQNTSUQBDAAB
        BFR5cGUBDAABBUFsaWFzAQwAAAAh/4cEAQERbWFwW3N0cmluZ11zdHJpbmcB/4gAAQwBDAAA/gJ9/4oABQgqKioqKioqKgEIKioq
        KioqKioBDUVkZ2UgTcO8bmNoZW4DIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmARBmZWRjYmE5ODc2NTQzMjEwAgEA
        AQAAAAhhMWIyYzNkNAEIYTFiMmMzZDQBA1dlYgEGc2VydmVyAQdydW5uaW5nAUVzZXJ2ZXI6Ly9zM2NyZXRAMTI3LjAuMC4xOjIx
        MTAxLzEyNy4wLjAuMToyMTEwMj9sb2c9aW5mbyZtb2RlPTEmdGxzPTABOHNlcnZlcjovL3MzY3JldEAxMjcuMC4wLjE6MjExMDEv
        MTI3LjAuMC4xOjIxMTAyP2xvZz1pbmZvAQEBAQEFc3ZjLTEBATEBBEhvbWUAAQEDZW52BHByb2QAAQIC/4AD/gGDAfiAAAAAAAAA
        BQH+ASwB/QERcAEMBAkACDAwMDAwMDAxAQgwMDAwMDAwMQEJRGF0ZW5iYW5rAQZjbGllbnQBB3N0b3BwZWQBLmNsaWVudDovLzEy
        Ny4wLjAuMToyMTEwMy8xMjcuMC4wLjE6NTQzMj9tb2RlPTECAQEBAAEAAAAIMDAwMDAwMDIBCDAwMDAwMDAyAgZjbGllbnQBB3J1
        bm5pbmcBQmNsaWVudDovL2slMjB5QGVkZ2UuZXhhbXBsZS5jb206MjExMDQvMTI3LjAuMC4xOjIxMTA1P21vZGU9MiZ6eno9MQMB
        AAEAAAAIMDAwMDAwMDMBCDAwMDAwMDAzAQZicm9rZW4BBmNsaWVudAEFZXJyb3IBJGNsaWVudDovL3QwcHNlY3JldEAxMjcuMC4w
        LjEvbm93aGVyZQIBAQEAAQAAAA==
        """

    private static let laterText = """
        D/+bBAEC/5wAAQwB/4wAAP+i/4sDAQL/jAABDwECSUQBDAABBUFsaWFzAQwAAQNVUkwBDAABB1Jlc3RhcnQBAgABBVNjb3JlAQgA
        AQNSYXcBCgABBFdoZW4B/44AAQRQYXRoAf+SAAEGU3F1YXJlAf+UAAEFTmFtZXMB/5gAAQROZXh0Af+MAAEEV2F2ZQEOAAEIQW55
        dGhpbmcBEAABBE1ldGEB/5oAAQVUQ1BSWAEEAAAAEP+NBQEBBFRpbWUB/44AAAAw/5ECAQEhW11zdHJ1Y3QgeyBIb3Agc3RyaW5n
        OyBDb3N0IGludCB9Af+SAAH/kAAAHf+PAwEC/5AAAQIBA0hvcAEMAAEEQ29zdAEEAAAAGP+TAQEBCFszXWludDE2Af+UAAEEAQYA
        ACL/lwQBARFtYXBbaW50OF1bXXN0cmluZwH/mAABBAH/lgAADP+VAgEC/5YAAQwAAE//mQMBAS5zdHJ1Y3QgeyBUYWdzIG1hcFtz
        dHJpbmddc3RyaW5nOyBNb29kIHN0cmluZyB9Af+aAAECAQRUYWdzAf+IAAEETW9vZAEMAAAAIf+HBAEBEW1hcFtzdHJpbmddc3Ry
        aW5nAf+IAAEMAQwAAP+w/5wAAQgwMDAwMDAwYQEIMDAwMDAwMGEBDWZyb20gdG9tb3Jyb3cBK2NsaWVudDovLzEyNy4wLjAuMToy
        MTEwNi8xMjcuMC4wLjE6OT9tb2RlPTEBAQH+BMABAwAB/wEPAQAAAA7ij33AAAAAAP//AQIBAWEB/gEBAAABAwIA/gJXAQEBAgF4
        AAEBBWlubmVyCAMAAAAFAAAB/vA//vC/AgEBAWsBdgEEZmluZQABIgA=
        """
}
