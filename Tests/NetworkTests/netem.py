"""Two daemons with a bad network between them: what users notice, and how soon service is back.

    python3 Tests/NetworkTests/netem.py --program .build/debug/nodepass [--short] [--markdown FILE]

A server in one network namespace, its client in another, users at the server who reach an echo service at
the client. Each trial makes the wire bad for a while, heals it, and measures the time until a new user is
served. It fails on a wrong byte, on what a daemon keeps open afterwards, and on service that stays away.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from daemons import KEY, Daemon, start_echo  # noqa: E402
from wire import LEFT, RIGHT, Manner, Wire  # noqa: E402

TUNNEL_PORT, USER_PORT, TARGET_PORT = 20100, 20200, 20300
# Between ends of ours, from the moment the wire is good again to the first user served.
BACK_WITHIN = 1.0
# Open descriptors may differ by the links of a pool that has grown.
SLACK = 40
# A pool that has grown in a burst shrinks by a quarter each report interval of 5 s.
SETTLED_WITHIN = 90

USERS = """
import json, os, random, socket, sys, threading, time
port = int(sys.argv[1])
lock = threading.Lock()
figures = {"served": 0, "failed": 0, "wrong": 0}
def once(size, limit):
    sent = random.randbytes(size)
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as user:
        user.settimeout(limit)
        threading.Thread(target=lambda: send(user, sent), daemon=True).start()
        got = bytearray()
        while len(got) < size:
            part = user.recv(65536)
            if not part: raise OSError("ended early")
            got += part
        if got != sent:
            with lock: figures["wrong"] += 1
def send(user, data):
    try: user.sendall(data)
    except OSError: pass
def work():
    while True:
        try:
            once(random.choice([1, 100, 20000, 200000]), 10)
            key = "served"
        except OSError: key = "failed"
        with lock: figures[key] += 1
        time.sleep(0.05)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
for line in sys.stdin:
    if line.strip() == "figures":
        with lock: print(json.dumps(figures), flush=True)
    elif line.startswith("back"):
        # New users at short distances, each given a short time: the first answer tells when service is back.
        start, done = time.monotonic(), threading.Event()
        limit = float(line.split()[1])
        def knock():
            try:
                once(100, 5)
                done.set()
            except OSError: pass
        while not done.is_set() and time.monotonic() - start < limit:
            threading.Thread(target=knock, daemon=True).start()
            done.wait(0.05)
        print(json.dumps(time.monotonic() - start if done.is_set() else None), flush=True)
"""


@dataclass
class Trial:
    name: str
    seconds: float
    spoil: Callable[[Wire], None]
    # A wire that is only slow or lossy goes on carrying users.
    serves: bool = True
    shape: Callable[[Wire, float], None] | None = None


def flap(wire, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        wire.both(Manner(loss=1))
        time.sleep(1)
        wire.both(Manner())
        time.sleep(1)
    wire.both(Manner(loss=1))
    time.sleep(0.5)


def trials(short):
    t = 6 if short else 30
    hole = 20 if short else 60
    dark = Manner(loss=1)
    return [
        Trial("1 % loss", t, lambda w: w.both(Manner(loss=0.01))),
        Trial("5 % loss", t, lambda w: w.both(Manner(loss=0.05))),
        Trial("20 % loss", t, lambda w: w.both(Manner(loss=0.2))),
        Trial("200 ms ± 50 ms", t, lambda w: w.both(Manner(delay=0.1, jitter=0.025))),
        Trial("25 % reordered by 20 ms", t, lambda w: w.both(Manner(delay=0.005, reorder=0.25))),
        Trial("MTU 1280 that nobody announced", t, lambda w: w.both(Manner(mtu=1280)), serves=False),
        Trial("30 % loss one way", t, lambda w: w.one_way(Manner(loss=0.3))),
        Trial("nothing one way", t, lambda w: w.one_way(dark), serves=False),
        Trial("black hole of 3 s", 3, lambda w: w.both(dark), serves=False),
        Trial("black hole of 10 s", 10, lambda w: w.both(dark), serves=False),
        Trial(f"black hole of {hole} s", hole, lambda w: w.both(dark), serves=False),
        Trial("flapping each second", t, lambda w: None, serves=False, shape=flap),
    ]


def manifests(tls, flow):
    reverse = flow == "reverse"
    server_target = f"127.0.0.1:{USER_PORT}" if reverse else f"127.0.0.1:{TARGET_PORT}"
    client_target = f"127.0.0.1:{TARGET_PORT}" if reverse else f"127.0.0.1:{USER_PORT}"
    server = f"""version: 1
tunnels:
  bad: {{role: server, tunnel: "{LEFT}:{TUNNEL_PORT}", target: "{server_target}", mode: {flow}, key: {KEY}, tls: {tls}}}
"""
    client = f"""version: 1
tunnels:
  bad: {{role: client, tunnel: "{LEFT}:{TUNNEL_PORT}", target: "{client_target}", mode: dual, key: {KEY}}}
"""
    return server, client


def within(namespace):
    return ("ip", "netns", "exec", namespace)


class Users:
    """Programs in the namespace where users come in, asked over a pipe."""

    def __init__(self, namespace):
        self.process = subprocess.Popen(
            [*within(namespace), sys.executable, "-c", USERS, str(USER_PORT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()


@dataclass
class Row:
    trial: str
    served: int
    failed: int
    wrong: int
    back: float | None
    left_open: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def settled(daemons, before):
    """Waits until what was opened for the trial's users is closed again; gives the differences."""
    end = time.monotonic() + SETTLED_WITHIN
    while True:
        differences = [d.descriptors - b for d, b in zip(daemons, before)]
        if all(d <= SLACK for d in differences) or time.monotonic() > end:
            return differences
        time.sleep(0.2)


def run_trial(trial, wire, users_namespace, daemons):
    users = Users(users_namespace)
    if users.ask("back 30") is None:
        users.stop()
        return Row(trial.name, 0, 0, 0, None, problems=["no service before the trial"])
    users.stop()
    before = [d.descriptors for d in daemons]
    users = Users(users_namespace)
    trial.spoil(wire)
    if trial.shape:
        trial.shape(wire, trial.seconds)
    else:
        time.sleep(trial.seconds)
    wire.both(Manner())
    back = users.ask("back 30")
    figures = users.ask("figures")
    users.stop()
    row = Row(trial.name, figures["served"], figures["failed"], figures["wrong"], back)
    row.left_open = settled(daemons, before)
    if row.wrong:
        row.problems.append(f"{row.wrong} users got wrong bytes")
    if back is None:
        row.problems.append("no service within 30 s after the wire was good again")
    elif back > BACK_WITHIN:
        row.problems.append(f"service was back after {back:.1f} s, not {BACK_WITHIN:.0f} s")
    if trial.serves and not row.served:
        row.problems.append("nobody was served meanwhile")
    if max(row.left_open) > SLACK:
        row.problems.append(f"left open: {row.left_open}")
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--only", default="", help="trials whose name has this text")
    parser.add_argument("--tls", default="self-signed", choices=["off", "self-signed"])
    parser.add_argument("--flow", default="reverse", choices=["reverse", "forward"])
    parser.add_argument("--markdown", help="write the table there")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("netem.py needs root, for network namespaces; run it with sudo")
    # What else the machine does is not to be measured; what is started from here inherits it.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    directory = Path(tempfile.mkdtemp(prefix="nodepass-netem-"))
    wire = Wire(f"npnet{os.getpid()}")
    program = os.path.abspath(arguments.program)
    server_text, client_text = manifests(arguments.tls, arguments.flow)
    echo_namespace = wire.right if arguments.flow == "reverse" else wire.left
    users_namespace = wire.left if arguments.flow == "reverse" else wire.right
    echo = start_echo(TARGET_PORT, within(echo_namespace))
    daemons = [
        Daemon(program, directory / "server", server_text, before=within(wire.left)),
        Daemon(program, directory / "client", client_text, before=within(wire.right)),
    ]
    rows = []
    try:
        for trial in trials(arguments.short):
            if arguments.only not in trial.name:
                continue
            row = run_trial(trial, wire, users_namespace, daemons)
            rows.append(row)
            back = "never" if row.back is None else f"{row.back:.2f} s"
            print(f"{row.trial}: {row.served} served, {row.failed} failed, back after {back}", *row.problems, sep="; ")
            sys.stdout.flush()
        memory = [d.resident >> 20 for d in daemons]
        print(f"memory at the end: server {memory[0]} MB, client {memory[1]} MB")
    finally:
        codes = [d.stop() for d in daemons]
        echo.kill()
        echo.wait()
        wire.close()
        if not arguments.keep:
            shutil.rmtree(directory)
        else:
            print(directory)
    if any(code != 0 for code in codes):
        sys.exit(f"the daemons ended with {codes}")
    if arguments.markdown:
        lines = ["| network | users served | failed | wrong bytes | back after |", "|---|---|---|---|---|"]
        lines += [
            f"| {r.trial} | {r.served} | {r.failed} | {r.wrong} | {'never' if r.back is None else f'{r.back:.2f} s'} |"
            for r in rows
        ]
        Path(arguments.markdown).write_text("\n".join(lines) + "\n")
    failed = [r for r in rows if r.problems]
    print(f"{len(rows) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
