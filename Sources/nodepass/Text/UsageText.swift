import API

/// What `nodepass` without arguments prints; installers read the version from it.
enum UsageText {
    static let text = """
        \(Version.line)

        Usage:
          nodepass run -f tunnels.yaml                       run the tunnels that a file declares
          nodepass "master://host:port/prefix?<parameters>"  run a daemon that is controlled through its API
          nodepass "server://key@host:port/target?<parameters>"
          nodepass "client://key@host:port/target?<parameters>"
          nodepass init | fmt FILE... | explain KEY | validate FILE... | schema
          nodepass plan [-f FILE...] | apply | export | import nodepass.gob
          nodepass convert frp | rathole | haproxy | ssh | socat | nodepass | iptables FILE
          nodepass status | get [NAME...] | describe NAME | connections NAME | top | ping HOST:PORT
          nodepass events [NAME...] | logs NAME | watch
          nodepass start | stop | restart | delete NAME [--for 30m] | release NAME | reset NAME
          nodepass create URL | forget-peer NAME
          nodepass key show | rotate | create | list | revoke | generate
          nodepass completion bash|zsh|fish | man

        Options may follow a URL: --log and --state-dir, for master:// also -f, --tls, --no-prune,
        --strict and --reset-state.
        `nodepass help` describes every command and option.
        """
}
