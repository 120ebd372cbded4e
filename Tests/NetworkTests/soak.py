"""An hour of everything at once: two daemons that must stay as small as they were.

    python3 Tests/NetworkTests/soak.py --program .build/release/nodepass [--minutes 60] [--markdown FILE]

A server and a client share 200 tunnels of every TLS mode, and users hold 9,000 connections through them, each of which
sends now and then and expects its bytes back. Meanwhile the manifests are edited every second, and the other ends of 20
more tunnels are killed (SIGKILL) and started again. It fails on a connection that is lost, on a wrong byte, and on
memory or descriptors that grow.
"""

import argparse
import contextlib
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from daemons import KEY, Daemon, start_echo, time_to_service  # noqa: E402

TUNNEL_BASE, USER_BASE, TARGET_PORT = 22000, 23000, 21999
MODES = ["off", "self-signed", "verified"]
# Growth that is let pass in an hour: allocators and caches breathe by more within seconds.
MEMORY_LIMIT_MB_PER_HOUR = 16
DESCRIPTOR_LIMIT_PER_HOUR = 20
# Until then pools fill, caches warm up and users arrive.
WARM_UP = 0.25


def certificate(directory):
    """A key and a certificate for 127.0.0.1 that is its own authority."""
    key, chain = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", chain],
        check=True,
        capture_output=True,
    )
    return key, chain


class Tunnels:
    """The tunnels of a range of numbers: manifests of both ends, and the edits that were made."""

    def __init__(self, numbers, key, chain):
        self.numbers = list(numbers)
        self.files = f"certificate: {chain}, key: {key}"
        self.limits = dict.fromkeys(self.numbers, 500)
        self.keys = dict.fromkeys(self.numbers, KEY)

    def mode(self, number):
        return MODES[number % len(MODES)]

    def tls(self, number):
        mode = self.mode(number)
        return f"{{{self.files}}}" if mode == "verified" else mode

    def server(self):
        return "".join(
            f"  t{n}: {{role: server, tunnel: 127.0.0.1:{TUNNEL_BASE + n}, target: 127.0.0.1:{USER_BASE + n}, "
            f"mode: reverse, key: {self.keys[n]}, tls: {self.tls(n)}, limits: {{connections: {self.limits[n]}}}, "
            f"pool: {{min: 4}}}}\n"
            for n in self.numbers
        )

    def client(self):
        return "".join(
            f"  t{n}: {{role: client, tunnel: 127.0.0.1:{TUNNEL_BASE + n}, target: 127.0.0.1:{TARGET_PORT}, "
            f"mode: dual, key: {self.keys[n]}, limits: {{connections: {self.limits[n]}}}, pool: {{min: 4}}}}\n"
            for n in self.numbers
        )


def manifest(*parts):
    # A new key leaves what is held as long as `drain` says.
    return "version: 1\ndefaults:\n  drain: 24h\ntunnels:\n" + "".join(parts)


def replace(daemon, text):
    """As editors do: the new file takes the old one's name."""
    new = daemon.manifest.with_suffix(".new")
    new.write_text(text)
    new.replace(daemon.manifest)


class Users(threading.Thread):
    """Connections that are held; each in its turn sends and has to get the same back."""

    def __init__(self, count, ports):
        super().__init__(daemon=True)
        self.problems = []
        self.exchanges = 0
        self.ended = False
        self.count = count
        self.ports = ports
        self.connections = {}

    def connect(self):
        for number in range(self.count):
            user = socket.create_connection(("127.0.0.1", self.ports[number % len(self.ports)]), timeout=30)
            user.settimeout(30)
            self.connections[number] = user
            self.exchange(user)

    def exchange(self, user):
        sent = os.urandom(random.choice([1, 50, 3000]))
        user.sendall(sent)
        got = b""
        while len(got) < len(sent):
            part = user.recv(len(sent) - len(got))
            if not part:
                raise OSError("a held connection was closed")
            got += part
        if got != sent:
            raise OSError("wrong bytes")
        self.exchanges += 1

    def run(self):
        while not self.ended:
            for number, user in list(self.connections.items()):
                if self.ended:
                    return
                try:
                    self.exchange(user)
                except OSError as error:
                    self.problems.append(f"connection {number} of tunnel {number % len(self.ports)}: {error}")
                    del self.connections[number]
                time.sleep(0.002)


def slope(samples):
    """Least squares over (seconds, value), in units an hour."""
    n = len(samples)
    mean_x = sum(x for x, _ in samples) / n
    mean_y = sum(y for _, y in samples) / n
    spread = sum((x - mean_x) ** 2 for x, _ in samples) or 1
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread * 3600


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--tunnels", type=int, default=200)
    parser.add_argument("--connections", type=int, default=9000)
    parser.add_argument("--markdown", help="write the report there")
    arguments = parser.parse_args()
    # Two a connection in each daemon, which keeps a quarter for its API, pools and each tunnel's share.
    needed = arguments.connections * 3 + 4096
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"soak.py needs {needed} open files, the limit is {hard}: use fewer --connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    directory = Path(tempfile.mkdtemp(prefix="nodepass-soak-"))
    key, chain = certificate(directory)
    program = os.path.abspath(arguments.program)
    trusts = {"SSL_CERT_FILE": str(chain)}
    steady = Tunnels(range(arguments.tunnels), key, chain)
    shaky_servers = Tunnels(range(arguments.tunnels, arguments.tunnels + 10), key, chain)
    shaky_clients = Tunnels(range(arguments.tunnels + 10, arguments.tunnels + 20), key, chain)
    echo = start_echo(TARGET_PORT)
    server = Daemon(program, directory / "server", manifest(steady.server(), shaky_clients.server()), environment=trusts)
    client = Daemon(program, directory / "client", manifest(steady.client(), shaky_servers.client()), environment=trusts)
    runs = 0

    def start_shaky():
        nonlocal runs
        runs += 1
        return [
            Daemon(program, directory / f"shaky-server-{runs}", manifest(shaky_servers.server()), environment=trusts),
            Daemon(program, directory / f"shaky-client-{runs}", manifest(shaky_clients.client()), environment=trusts),
        ]

    shaky = start_shaky()
    users = Users(arguments.connections, [USER_BASE + n for n in steady.numbers])
    samples = {"server": [], "client": []}
    problems = []
    edits = kills = 0
    worst_return = 0.0
    try:
        for number in steady.numbers:
            time_to_service(USER_BASE + number, within=120, limit=5)
        users.connect()
        users.start()
        start = time.monotonic()
        end = start + arguments.minutes * 60
        next_kill = start + 20
        while (now := time.monotonic()) < end:
            for name, daemon in [("server", server), ("client", client)]:
                samples[name].append((now - start, daemon.resident / 1e6, daemon.descriptors))
            number = random.choice(steady.numbers)
            if edits % 10 == 0:
                # A new session; the connections that are held go on.
                steady.keys[number] = f"{KEY}-{edits}"
            else:
                steady.limits[number] = random.randrange(400, 600)
            replace(server, manifest(steady.server(), shaky_clients.server()))
            replace(client, manifest(steady.client(), shaky_servers.client()))
            edits += 1
            if now > next_kill:
                for daemon in shaky:
                    daemon.process.kill()
                    daemon.process.wait()
                    shutil.rmtree(daemon.directory)
                shaky = start_shaky()
                kills += 2
                began = time.monotonic()
                for other in [shaky_servers.numbers[0], shaky_clients.numbers[0]]:
                    time_to_service(USER_BASE + other, within=30)
                worst_return = max(worst_return, time.monotonic() - began)
                next_kill = time.monotonic() + 20
            time.sleep(1)
        users.ended = True
        users.join(60)
        if not (server.is_alive and client.is_alive):
            problems.append("a daemon ended")
    except TimeoutError as error:
        problems.append(str(error))
    finally:
        users.ended = True
        codes = [daemon.stop(60) for daemon in [server, client, *shaky]]
        echo.kill()
        echo.wait()
        with contextlib.suppress(OSError):
            shutil.rmtree(directory)
    if any(codes):
        problems.append(f"the daemons ended with {codes}")
    problems += users.problems[:20]
    report = [
        f"{arguments.minutes:.0f} minutes, {len(steady.numbers) + 20} tunnels, {len(users.connections)} connections held: "
        f"{users.exchanges} exchanges, {edits} edits, {kills} ends killed, back {worst_return:.1f} s after the start at the "
        "latest",
        "",
        "| end | memory, MB | slope, MB an hour | descriptors | slope, an hour |",
        "|---|---|---|---|---|",
    ]
    for name, all_values in samples.items():
        values = all_values[int(len(all_values) * WARM_UP) :]
        if len(values) < 2:
            continue
        memory = slope([(t, m) for t, m, _ in values])
        descriptors = slope([(t, d) for t, _, d in values])
        report.append(
            f"| {name} | {min(m for _, m, _ in values):.0f}–{max(m for _, m, _ in values):.0f} | {memory:+.1f} | "
            f"{min(d for _, _, d in values)}–{max(d for _, _, d in values)} | {descriptors:+.0f} |"
        )
        if arguments.minutes >= 30 and memory > MEMORY_LIMIT_MB_PER_HOUR:
            problems.append(f"the {name}'s memory grows by {memory:.1f} MB an hour")
        if arguments.minutes >= 30 and descriptors > DESCRIPTOR_LIMIT_PER_HOUR:
            problems.append(f"the {name}'s descriptors grow by {descriptors:.0f} an hour")
    print("\n".join(report))
    if arguments.markdown:
        Path(arguments.markdown).write_text("\n".join(report) + "\n")
    for problem in problems:
        print(f"problem: {problem}")
    print(f"{0 if problems else 1} passed, {1 if problems else 0} failed")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
