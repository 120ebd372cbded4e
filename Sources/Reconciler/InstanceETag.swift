import Config

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension Instance {
    /// Changes with everything a mutation can change, and with nothing else; for `ETag` and `If-Match`.
    package var etag: String {
        let over = override.map { ["\($0.since.timeIntervalSince1970)", "\($0.until?.timeIntervalSince1970 ?? 0)", $0.by] }
        return InstanceIDs.fingerprint(
            [
                url, labels.alias, StoredText.json(labels.tags), StoredText.json(labels.peer), "\(autostart)",
                "\(shouldRun)", revision, origin.rawValue,
            ] + (over ?? [])
        )
    }
}
