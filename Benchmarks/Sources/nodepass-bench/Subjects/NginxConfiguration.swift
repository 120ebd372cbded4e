import Foundation

/// nginx with the very bytes of another server's answers as files, and the same header.
struct NginxConfiguration {
    /// What each server says in its own way; the type has a directive of its own.
    private static let ownFields: Set<String> = ["connection", "content-length", "content-type", "date", "server"]

    let port: UInt16
    let directory: TemporaryDirectory

    /// Writes the answers and the configuration, whose path it returns.
    func write(_ answers: [(path: String, answer: HTTPQuestion.Answer)]) throws -> String {
        let locations = try answers.enumerated().map { index, one in
            let file = "\(directory.path)/nginx-\(port)-\(index)"
            try one.answer.body.write(to: URL(fileURLWithPath: file))
            return Self.location(one.path, file: file, one.answer.fields)
        }
        return try directory.write(text(locations.joined()), to: "nginx-\(port).conf")
    }

    private static func location(
        _ path: String,
        file: String,
        _ fields: [(name: String, value: String)]
    ) -> String {
        let type = fields.first { $0.name.lowercased() == "content-type" }?.value ?? "application/octet-stream"
        let repeated = fields.filter { !ownFields.contains($0.name.lowercased()) }
        return """
                    location = \(path) {
                        alias \(file);
                        types {}
                        default_type '\(type)';
                        add_header Last-Modified '';
            \(repeated.map { "            add_header \($0.name) '\($0.value)';\n" }.joined())        }

            """
    }

    /// Two workers, as haproxy has two threads; root's have to be root's, or they could not read the files.
    private func text(_ locations: String) -> String {
        """
        daemon off;
        worker_processes 2;
        pid \(directory.path)/nginx-\(port).pid;
        error_log stderr error;
        \(getuid() == 0 ? "user root root;" : "")
        events {}
        http {
            access_log off;
            etag off;
            max_ranges 0;
            sendfile on;
            tcp_nopush on;
            open_file_cache max=100;
            keepalive_requests 1000000000;
            client_body_temp_path \(directory.path);
            proxy_temp_path \(directory.path);
            fastcgi_temp_path \(directory.path);
            uwsgi_temp_path \(directory.path);
            scgi_temp_path \(directory.path);
            server {
                listen 127.0.0.1:\(port);
        \(locations)    }
        }

        """
    }
}
