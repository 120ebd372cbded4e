import NIOCore
import NIOHTTP2
import NIOPosix
import NIOSSL

/// What went wrong, in words for a person: the libraries' names for errors, their codes and their source paths stay
/// out of logs, states and answers.
package enum ErrorText {
    /// What is said of an error that nobody expected; its type would say nothing to a reader.
    package static let unexpected = "an unexpected error"

    package static func words(for error: any Error) -> String {
        switch error {
        case let error as TunnelError: error.message
        case let error as IOError: error.problem
        case let error as ChannelError: words(for: error)
        case let error as NIOConnectionError: words(for: error)
        case let error as NIOSSLError: words(for: error)
        case let error as BoringSSLError: words(for: error)
        case is NIOSSLExtraError: "the certificate is for another name"
        case is NIOSSLCloseTimedOutError: "the other side did not end the TLS connection in time"
        case let error as SocketAddressError: words(for: error)
        case let error as SocketAddressError.UnknownHost: "no address for \(error.host)"
        case is CancellationError: "it was interrupted"
        case let error as HandshakeProblem: TunnelError.handshake(error).message
        case let error as WebSocketRefusal: error.description
        case is NoStream: "the server takes no more streams"
        case let error as QUICProblem: error.words
        case is NIOHTTP2Errors.StreamClosed: "the connection was closed"
        case is any NIOHTTP2Error: "the other side broke a rule of HTTP/2"
        default: unexpected
        }
    }

    /// Whether a TLS client found something else at the other side, or somebody who hung up on its greeting.
    package static func isNotTLS(_ error: any Error) -> Bool {
        if case ChannelError.eof? = error as? ChannelError { return true }
        guard case NIOSSLError.handshakeFailed(.sslError(let stack)) = error else {
            return error as? NIOSSLError == .uncleanShutdown
        }
        return stack.contains(.eofDuringHandshake) || words(for: error) == notTLS
    }

    private static func words(for error: ChannelError) -> String {
        switch error {
        case .connectTimeout: "no answer in time"
        case .eof, .inputClosed, .outputClosed, .ioOnClosedChannel, .alreadyClosed: "the connection was closed"
        case .writeMessageTooLarge: "the datagram is larger than the network takes"
        default: "the connection failed"
        }
    }

    private static func words(for error: NIOConnectionError) -> String {
        error.connectionErrors.last.map { words(for: $0.error) } ?? "no address for \(error.host)"
    }

    private static func words(for error: SocketAddressError) -> String {
        switch error {
        case .unknown(let host, _): "no address for \(host)"
        case .unsupported: "the address is of a kind that is not supported"
        case .unixDomainSocketPathTooLong: "the path of the socket is too long"
        case .failedToParseIPString(let text): "'\(text)' is not an IP address"
        }
    }

    private static func words(for error: NIOSSLError) -> String {
        switch error {
        case .handshakeFailed(let cause), .shutdownFailed(let cause): words(for: cause)
        case .uncleanShutdown: "the connection was cut"
        case .failedToLoadCertificate, .noSuchFilesystemObject: "the certificate cannot be read"
        case .failedToLoadPrivateKey: "the private key cannot be read, or belongs to another certificate"
        case .unableToValidateCertificate, .noCertificateToValidate: "the certificate is not accepted"
        default: "the TLS connection failed"
        }
    }

    private static func words(for error: BoringSSLError) -> String {
        guard case .sslError(let stack) = error else { return "the TLS connection failed" }
        if stack.contains(.eofDuringHandshake) { return "the connection was closed during the TLS handshake" }
        let codes = stack.map(\.description).joined(separator: " ")
        return tlsWords.first { codes.contains($0.code) }?.words ?? "the TLS handshake failed"
    }

    /// Parts of BoringSSL's names for what ends a handshake.
    private static let tlsWords: [(code: String, words: String)] = [
        ("CERTIFICATE_VERIFY_FAILED", "the certificate is not accepted"),
        ("WRONG_VERSION_NUMBER", notTLS),
        ("HTTP_REQUEST", notTLS),
        ("HTTPS_PROXY_REQUEST", notTLS),
        ("UNSUPPORTED_PROTOCOL", "the two sides have no version of TLS in common"),
        ("PROTOCOL_VERSION", "the two sides have no version of TLS in common"),
        ("NO_SHARED_CIPHER", "the two sides have no cipher in common"),
        ("UNKNOWN_CA", "the other side does not know the authority that signed our certificate"),
        ("CERTIFICATE_EXPIRED", "the other side says that our certificate has expired"),
        ("BAD_CERTIFICATE", "the other side does not accept our certificate"),
        ("CERTIFICATE_UNKNOWN", "the other side does not accept our certificate"),
    ]

    private static let notTLS = "the other side does not speak TLS"
}
