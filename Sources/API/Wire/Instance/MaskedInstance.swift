import Config
import Reconciler
import Tunnel

/// An instance as people may copy it from a terminal: without keys, and without what came from references.
enum MaskedInstance {
    static func object(_ json: JSONValue, of instance: Instance) -> JSONValue {
        let secrets = instance.spec.hiding(instance.secretPaths).secretTexts
        func masked(_ value: JSONValue) -> JSONValue {
            guard case .object(let members) = value else { return value }
            return .object(
                members.map { member in
                    switch (member.name, member.value) {
                    case ("url", .string(let text)):
                        // As it was sent, where the key is all there is to hide.
                        let hidesMore = !instance.secretPaths.subtracting(["key"]).isEmpty
                        let url =
                            hidesMore
                            ? instance.spec.displayURL(hiding: instance.secretPaths) : TunnelURL.masked(text)
                        return JSONValue.Member("url", .string(url))
                    case ("config", .string(let text)), ("command", .string(let text)):
                        return JSONValue.Member(member.name, .string(secrets.masked(in: TunnelURL.masked(text))))
                    case ("data", let value), ("override", let value):
                        return JSONValue.Member(member.name, masked(value))
                    default: return member
                    }
                }
            )
        }
        return masked(json)
    }
}
