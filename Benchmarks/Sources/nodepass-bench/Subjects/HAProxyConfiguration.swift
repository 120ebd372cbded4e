/// haproxy as a plain TCP relay; its limit of connections fits into the usual limit of open files.
enum HAProxyConfiguration {
    static let settings = """
        global
            nbthread 2
            maxconn 2000

        defaults
            mode tcp
            timeout connect 5s
            timeout client 60s
            timeout server 60s


        """

    static func backend(_ target: UInt16) -> String {
        """
        backend target
            server target 127.0.0.1:\(target)

        """
    }

    static func text(user: UInt16, target: UInt16) -> String {
        let frontend = """
            frontend users
                bind 127.0.0.1:\(user)
                default_backend target


            """
        return settings + frontend + backend(target)
    }
}
