import API

/// What `nodepass` without arguments prints; installers read the version from it.
enum UsageText {
    static let text = """
        nodepass v\(Version.api) (\(Version.implementation) \(Version.build))

        Usage:
          nodepass run -f tunnels.yaml                       run the tunnels that a file declares
          nodepass "master://host:port/prefix?<parameters>"  run a daemon that is controlled through its API
          nodepass "server://key@host:port/target?<parameters>"
          nodepass "client://key@host:port/target?<parameters>"
          nodepass validate FILE... | plan [-f FILE...] | apply | export | schema
          nodepass status | get [NAME...] | describe NAME | connections NAME | logs NAME | watch | ping HOST:PORT
          nodepass start | stop | restart | delete NAME [--for 30m] | release NAME | reset NAME | create URL
          nodepass key show | key rotate | import nodepass.gob | convert frp frpc.toml

        Options may follow a URL: --log and --state-dir, for master:// also -f, --tls, --no-prune,
        --strict and --reset-state.
        `nodepass help` describes every command and option.
        """
}
