import TestSupport

/// What was captured from NodePass v1.14 or accepted by it, and a server certificate for `tunnel.test`.
enum ReferenceVectors {
    static let tokens = [
        (key: "secret", token: "f9e66e179b6747ae54108f82f8ade8b3c25d76fd30afde6c395822c530196169"),
        (key: "e68be2b4", token: "8940572756af096447802f92b4c843ac61de93b80af9d37a85ed994508656d7e"),
        (key: "a", token: "3acdaa86b3d73e8d18b7019d3f520000531a23db3b6dda7a94ad28db61a9008c"),
        (key: "pa ss", token: "948e2a8d6743845fbc6c418478273adb41795dcab0f3b76d026c27e521da5457"),
        (key: "密钥", token: "9cfdadd2b279a7fe32f8060cfdeebe268ba0f00107a7780cd62304e818bd7631"),
    ]

    static let lines: [(key: String, signal: ReferenceSignal, json: String, line: String)] = [
        (
            key: "secret",
            signal: ReferenceSignal("ping"),
            json: #"{"action":"ping"}"#,
            line: "CEcCEREdHAtBSEcEGgsEUBg=\n"
        ),
        (
            key: "secret",
            signal: ReferenceSignal("pong"),
            json: #"{"action":"pong"}"#,
            line: "CEcCEREdHAtBSEcEHAsEUBg=\n"
        ),
        (
            key: "secret",
            signal: ReferenceSignal("flush"),
            json: #"{"action":"flush"}"#,
            line: "CEcCEREdHAtBSEcSHxAQGkcJ\n"
        ),
        (
            key: "secret",
            signal: ReferenceSignal("tcp", remote: "127.0.0.1:34136", id: "26bbd201"),
            json: #"{"action":"tcp","remote":"127.0.0.1:34136","id":"26bbd201"}"#,
            line: "CEcCEREdHAtBSEcAEBVBXkcGFggMBgBWSUdSQFJaQ0tTXFROQFFSQVNWX0cKFkdOUVdVEAcQQVVSUBg=\n"
        ),
        (
            key: "secret",
            signal: ReferenceSignal("udp", remote: "127.0.0.1:50753", id: "e95fd9ac"),
            json: #"{"action":"udp","remote":"127.0.0.1:50753","id":"e95fd9ac"}"#,
            line: "CEcCEREdHAtBSEcBFxVBXkcGFggMBgBWSUdSQFJaQ0tTXFRORlVUR1ZWX0cKFkdOUQBaRwMQSgQAUBg=\n"
        ),
        (
            key: "secret",
            signal: ReferenceSignal("tcp", remote: "192.0.2.10:54321", id: "1a2b3c4d"),
            json: #"{"action":"tcp","remote":"192.0.2.10:54321","id":"1a2b3c4d"}"#,
            line: "CEcCEREdHAtBSEcAEBVBXkcGFggMBgBWSUdSS1daQ0tRXFRESVBXQVdFUUlBGwFWSUdSE1cWQAZXFkcJ\n"
        ),
        (
            key: "secret",
            signal: ReferenceSignal("udp", remote: "[2001:db8::1]:5353", id: "deadbeef"),
            json: #"{"action":"udp","remote":"[2001:db8::1]:5353","id":"deadbeef"}"#,
            line: "CEcCEREdHAtBSEcBFxVBXkcGFggMBgBWSUc4QFVEQl8HEF1OSVQ+SFBHRlZBXkcdF0dZUAEREgEBFwASURg=\n"
        ),
        (
            key: "secret",
            signal: ReferenceSignal(
                "verify",
                id: "91d35e7c",
                fp: """
                    sha256:BF:61:79:B9:EA:63:B9:DA:42:4E:CF:CA:FB:CB:05:6A:15:A2:13:BF:13:14:26:1F:B3:38:1B:2E:3F:A6\
                    :CA:36
                    """
            ),
            json: #"""
            {"action":"verify","id":"91d35e7c","fp":"sha256:BF:61:79:B9:EA:63:B9:DA:42:4E:CF:CA:FB:CB:05:6A:\#
            15:A2:13:BF:13:14:26:1F:B3:38:1B:2E:3F:A6:CA:36"}
            """#,
            line: """
            CEcCEREdHAtBSEcCFhcKFBxWX0cKFkdOUVxSFlZBFlIAUElWFRVBSEcHGwRRR1NOMSNZRFRORFxZMFxONiRZRFZOMVxZNiRO\
            R1dZRiBOMCNZMSRONSdZMSdOQ1BZRCROQlBZM1dOQlZZMCNOQlZZQ1FOQVNZQyNOMVZZQV1OQidZQCBOQCNZM1NOMCRZQVNW\
            Dg==\n
            """
        ),
        (
            key: "e68be2b4",
            signal: ReferenceSignal("ping"),
            json: #"{"action":"ping"}"#,
            line: "HhRZARFbDVpHDBoSDFwFFhg=\n"
        ),
        (
            key: "a",
            signal: ReferenceSignal("ping"),
            json: #"{"action":"ping"}"#,
            line: "GkMAAhUIDg9DW0MRCA8GQxw=\n"
        ),
        (
            key: "pa ss",
            signal: ReferenceSignal("ping"),
            json: #"{"action":"ping"}"#,
            line: "C0NBEAcZDk5RSVIRSR0UUhw=\n"
        ),
        (
            key: "密钥",
            signal: ReferenceSignal("ping"),
            json: #"{"action":"ping"}"#,
            line: "no3niubMisGk07DVjMHhy+8=\n"
        ),
    ]

    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBoDCCAUegAwIBAgIUOIVZ/3TFog6uS9R+k3fPcNxqPkYwCgYIKoZIzj0EAwIw
        GTEXMBUGA1UECgwObm9kZXBhc3MgdGVzdHMwIBcNMjYxMTI0MTIwMTEyWhgPMjEy
        NjEwMzExMjAxMTJaMBkxFzAVBgNVBAoMDm5vZGVwYXNzIHRlc3RzMFkwEwYHKoZI
        zj0CAQYIKoZIzj0DAQcDQgAEEwYnMZRHIJwF01tMKdGHmIquK8vNaEg6gMkSV9MC
        W7qBorAwGw2dK5keulua45FGqQLYM/W/8zwdCkCcuxPmJaNrMGkwHQYDVR0OBBYE
        FPGpboGEhspGdouuN+zGE0JW1Bc8MB8GA1UdIwQYMBaAFPGpboGEhspGdouuN+zG
        E0JW1Bc8MA8GA1UdEwEB/wQFMAMBAf8wFgYDVR0RBA8wDYILdHVubmVsLnRlc3Qw
        CgYIKoZIzj0EAwIDRwAwRAIgQ+AW4NrtDjpOv6N/zaFXLqbAJG4XnjGn7581ZiSz
        9jsCIHJA/9wU0wjhcypW7R02WVAoRUlE3e5glNunTzJWFNzX
        -----END CERTIFICATE-----
        """

    static let privateKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsbGMoWWuZu6tWa4/
        lUQ56beyv/G1dT+Q13Op6p2Zb02hRANCAAQTBicxlEcgnAXTW0wp0YeYiq4ry81o
        SDqAyRJX0wJbuoGisDAbDZ0rmR66W5rjkUapAtgz9b/zPB0KQJy7E+Yl
        -----END PRIVATE KEY-----
        """
}
