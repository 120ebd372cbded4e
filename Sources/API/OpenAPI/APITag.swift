/// A group of resources in the document, in the order of the document.
enum APITag: String, Sendable, CaseIterable {
    case instances = "Instances"
    case manifest = "Manifest and reconciling"
    case events = "Events"
    case master = "Master"
    case pages = "Probes and pages"
}
