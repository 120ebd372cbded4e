import Config
import FoundationEssentials

extension Instance {
    /// Changes with everything a mutation can change, and with nothing else; for `ETag` and `If-Match`.
    package var etag: String {
        // Milliseconds, as the store keeps them: the tag is the same after a new start.
        let times = [override?.since, override?.until].map { time in
            String(Int64(((time?.timeIntervalSince1970 ?? 0) * 1000).rounded()))
        }
        return InstanceIDs.fingerprint(
            [
                url, labels.alias, StoredText.json(labels.tags), StoredText.json(labels.peer), "\(autostart)",
                "\(shouldRun)", revision, origin.rawValue,
            ] + times
        )
    }
}
