/// What must reach no person: names of libraries' errors, their forms of addresses, and paths of sources.
package enum ForeignWords {
    /// Parts of texts that a person would have to be a programmer to understand.
    package static func found(in text: String) -> [String] {
        let signs =
            #/NIO[A-Z]\w*|HTTPClient\w*|BoringSSL\w*|OPENSSL_\w*|\w*Error\(\)|\w+Error\.\w+|\[IPv[46]\]|\[UDS\]|checkouts/|errno: ?\d+|Swift\.\w+|_[A-Z]\w+Error/#
        return text.matches(of: signs).map { String($0.output) }
    }
}
