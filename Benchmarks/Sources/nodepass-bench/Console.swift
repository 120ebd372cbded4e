import Foundation

/// Progress goes to stderr, so that stdout holds results alone.
enum Console {
    static func note(_ text: String) {
        FileHandle.standardError.write(Data("# \(text)\n".utf8))
    }
}
