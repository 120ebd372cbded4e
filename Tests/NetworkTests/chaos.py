"""A machine that misbehaves: what two daemons with a tunnel between them do, and how they recover.

    python3 Tests/NetworkTests/chaos.py --program .build/debug/nodepass [--short] [--only TEXT] [--markdown FILE]

Each trial starts a server and its client, spoils one thing, looks at users, the API and the log meanwhile, repairs it,
and measures the time until everything works again, without a restart. Needs root, for limits, mounts and namespaces.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from daemons import KEY, Daemon, start_echo, time_to_service, visit, wait_for  # noqa: E402

TUNNEL_PORT, USER_PORT, TARGET_PORT, OTHER_PORT = 21100, 21200, 21300, 21400
# What the API may take for an answer, and a user to be served, while something else is broken.
SOON = 1.0

SLOW_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static void late(void) { if (access(getenv("SLOW_WHEN"), F_OK) == 0) usleep(2000000); }
int fsync(int f) { late(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(f); }
int fdatasync(int f) { late(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(f); }
"""

# A file system that is read-only refuses writes also to files that are open, as a mount over them would not.
READ_ONLY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int refused(int f) {
    char link[64], path[4096];
    if (access(getenv("READ_ONLY_WHEN"), F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", f);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strstr(path, getenv("READ_ONLY_PLACE")) != path) return 0;
    errno = EROFS;
    return 1;
}
#define NEXT(name, ...) return refused(f) ? -1 : ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(f, __VA_ARGS__)
ssize_t write(int f, const void *b, size_t n) { NEXT(write, b, n); }
ssize_t pwrite(int f, const void *b, size_t n, off_t o) { NEXT(pwrite, b, n, o); }
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) { NEXT(pwrite64, b, n, o); }
int ftruncate(int f, off_t n) { NEXT(ftruncate, n); }
int ftruncate64(int f, off64_t n) { NEXT(ftruncate64, n); }
"""


class Failure(Exception):
    pass


class Skipped(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


@dataclass
class World:
    """What a trial works with; `stack` undoes what it did."""

    program: str
    directory: Path
    short: bool
    stack: contextlib.ExitStack
    notes: list = field(default_factory=list)

    def server_manifest(self, more=""):
        return (
            f"version: 1\ntunnels:\n  way: {{role: server, tunnel: 127.0.0.1:{TUNNEL_PORT}, mode: reverse, "
            f"target: 127.0.0.1:{USER_PORT}, key: {KEY}, tls: self-signed}}\n{more}"
        )

    def client_manifest(self):
        return (
            f"version: 1\ntunnels:\n  way: {{role: client, tunnel: 127.0.0.1:{TUNNEL_PORT}, mode: dual, "
            f"target: 127.0.0.1:{TARGET_PORT}, key: {KEY}}}\n"
        )

    def start(self, name, manifest, **options):
        daemon = Daemon(self.program, self.directory / name, manifest, **options)
        self.stack.callback(daemon.stop)
        return daemon

    def pair(self, more="", **options):
        """A server that `options` go to, its client, and an echo service behind it; users are served."""
        echo = start_echo(TARGET_PORT)
        self.stack.callback(echo.wait)
        self.stack.callback(echo.kill)
        server = self.start("server", self.server_manifest(more), **options)
        client = self.start("client", self.client_manifest())
        time_to_service(USER_PORT)
        return server, client

    def note(self, text):
        self.notes.append(text)


def answers(daemon, limit=SOON):
    start = time.monotonic()
    status, _ = daemon.request("GET", "/instances", timeout=10)
    took = time.monotonic() - start
    expect(status == 200, f"GET /instances answered {status}")
    expect(took < limit, f"GET /instances took {took:.1f} s")


def create(daemon, port, timeout=10):
    url = f"client://127.0.0.1:{port}/127.0.0.1:{TARGET_PORT}?mode=1"
    return daemon.request("POST", "/instances", {"url": url}, timeout=timeout)


def descriptors(world):
    """File descriptors run out: 600 users hold connections, the limit is 256."""
    server, _ = world.pair(before=("prlimit", "--nofile=256:256"))
    held = []
    for _ in range(600):
        user = socket.socket()
        user.settimeout(2)
        with contextlib.suppress(OSError):
            user.connect(("127.0.0.1", USER_PORT))
            held.append(user)
    answers(server)
    # Accepting pauses where descriptors are scarce: most users have not been looked at yet.
    deadline = time.monotonic() + 5
    _, info = server.request("GET", "/info")
    while info["refused"] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
        _, info = server.request("GET", "/info")
    expect(info["refused"] > 0, "no user was refused")
    expect(server.is_alive, "the daemon ended")
    lines = server.log.count("descriptor")
    expect(0 < lines < 20, f"{lines} log lines about descriptors")
    world.note(f"{info['refused']} users refused, {lines} log lines")
    for user in held:
        user.close()
    return time_to_service(USER_PORT)


def memory(world):
    """A memory limit of 192 MB (cgroup), and 1,000 strangers who send without end."""
    group = Path(f"/sys/fs/cgroup/memory/nodepass-chaos-{os.getpid()}")
    if not Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists():
        raise Skipped("this machine has no memory controller of cgroup v1")
    group.mkdir()
    world.stack.callback(group.rmdir)
    (group / "memory.limit_in_bytes").write_text(str(192 << 20))
    enter = ("sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh")
    server, _ = world.pair(before=enter)
    strangers = []
    for _ in range(1000):
        with contextlib.suppress(OSError):
            stranger = socket.create_connection(("127.0.0.1", TUNNEL_PORT), timeout=2)
            stranger.setblocking(False)
            strangers.append(stranger)
    end = time.monotonic() + (5 if world.short else 20)
    data = b"GET / HTTP/1.1\r\nX: " + b"x" * 60000
    while time.monotonic() < end:
        for stranger in strangers:
            with contextlib.suppress(OSError):
                stranger.send(data)
    expect(server.is_alive, "the daemon ended")
    answers(server)
    peak = int((group / "memory.max_usage_in_bytes").read_text()) >> 20
    world.note(f"peak {peak} MB with the files it read")
    for stranger in strangers:
        stranger.close()
    back = time_to_service(USER_PORT)
    server.stop()
    return back


def preloaded(world, name, source):
    """A library that takes the place of calls of the C library."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise Skipped("there is no C compiler")
    text, library = world.directory / f"{name}.c", world.directory / f"{name}.so"
    text.write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, text, "-ldl"], check=True)
    return str(library)


def mounted_state(world):
    place = world.directory / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=True)
    world.stack.callback(subprocess.run, ["umount", "-l", str(place)], check=True)
    return place


def broken_store(world, spoil, repair, **options):
    """Users go on, reads answer, a mutation is refused in words and accepted once the disk is good again."""
    place = mounted_state(world)
    server, client = world.pair(state=place / "state", **options)
    spoil(place)
    status, answer = create(server, OTHER_PORT)
    expect(status in (500, 503, 507), f"a mutation without a disk was answered {status}: {answer}")
    world.note(f"a mutation is answered {status}")
    visit(USER_PORT, SOON)
    answers(server)
    # The tunnel itself does not need the disk.
    client.signal(signal.SIGTERM)
    client.process.wait(20)
    again = world.start("client-again", world.client_manifest())
    time_to_service(USER_PORT)
    expect(again.is_alive and server.is_alive, "a daemon ended")
    repair(place)
    start = time.monotonic()
    wait_for("a mutation is accepted", lambda: create(server, OTHER_PORT)[0] == 201, 10)
    wait_for("the new tunnel serves", lambda: visit(OTHER_PORT, SOON) or True, 10)
    return time.monotonic() - start


def disk_full(world):
    """The disk of the state directory is full."""

    def spoil(place):
        with contextlib.suppress(OSError), open(place / "filler", "wb") as filler:
            while True:
                filler.write(bytes(4096))
                filler.flush()

    return broken_store(world, spoil, lambda place: (place / "filler").unlink())


def disk_read_only(world):
    """The disk of the state directory becomes read-only."""
    when = world.directory / "read-only"
    environment = {
        "LD_PRELOAD": preloaded(world, "readonly", READ_ONLY),
        "READ_ONLY_WHEN": str(when),
        "READ_ONLY_PLACE": str(world.directory / "disk"),
    }
    return broken_store(world, lambda _: when.touch(), lambda _: when.unlink(), environment=environment)


def slow_store(world):
    """Each sync of the disk takes 2 s."""
    library = preloaded(world, "slowsync", SLOW_SYNC)
    slow = world.directory / "slow"
    server, _ = world.pair(environment={"LD_PRELOAD": library, "SLOW_WHEN": str(slow)})
    slow.touch()
    start = time.monotonic()
    worst = 0.0
    result = []
    mutation = threading.Thread(target=lambda: result.append(create(server, OTHER_PORT, timeout=60)))
    mutation.start()
    while mutation.is_alive():
        began = time.monotonic()
        visit(USER_PORT, 5)
        worst = max(worst, time.monotonic() - began)
        time.sleep(0.02)
    took = time.monotonic() - start
    expect(result and result[0][0] == 201, f"the mutation was answered {result}")
    expect(took > 1.5, "the disk was not slow")
    expect(worst < SOON, f"a user waited {worst:.1f} s for the store")
    world.note(f"a mutation takes {took:.1f} s, the slowest user meanwhile {worst * 1000:.0f} ms")
    return time_to_service(OTHER_PORT)


def clock(world):
    """A file that says how far the time of day is off, and the environment that makes a daemon follow it."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
    if library is None:
        raise Skipped("libfaketime is not installed")
    moment = world.directory / "moment"
    moment.write_text("+0")
    return moment, {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(moment),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def clock_before_1970(world):
    """The time of day is before 1970, from the start and after a jump; a tunnel without TLS."""
    moment, environment = clock(world)
    echo = start_echo(TARGET_PORT)
    world.stack.callback(echo.wait)
    world.stack.callback(echo.kill)
    manifest = (
        f"version: 1\ntunnels:\n  way: {{role: client, mode: single, tunnel: 127.0.0.1:{USER_PORT}, "
        f"target: 127.0.0.1:{TARGET_PORT}}}\n"
    )
    for name, start in [("later", "+0"), ("early", "-70y")]:
        moment.write_text(start)
        daemon = world.start(name, manifest, before=("env",), environment=environment)
        time_to_service(USER_PORT)
        for jump in ["-70y", "+0"]:
            moment.write_text(jump)
            visit(USER_PORT, SOON)
            answers(daemon)
            status, answer = create(daemon, OTHER_PORT if jump == "+0" else OTHER_PORT + 1)
            expect(status == 201, f"a mutation at {jump} was answered {status}: {answer}")
        if name == "later":
            expect(daemon.stop() == 0, "the daemon did not end in order")
    return time_to_service(OTHER_PORT)


def clock_jumps(world):
    """The time of day jumps a year ahead, back, and a year before."""
    moment, environment = clock(world)
    # The library changes the environment of the first program, where the runtime looks for its arguments.
    server, _ = world.pair(before=("env",), environment=environment)
    for jump in ["+365d", "+0", "-365d", "+0"]:
        moment.write_text(jump)
        for _ in range(10):
            visit(USER_PORT, SOON)
            time.sleep(0.1)
        answers(server)
        status, _ = server.request("GET", "/reconcile")
        expect(status == 200, f"GET /reconcile answered {status} after a jump to {jump}")
    status, created = create(server, OTHER_PORT)
    expect(status == 201, f"a mutation after the jumps was answered {status}: {created}")
    return time_to_service(OTHER_PORT)


def stopped(which):
    def trial(world):
        seconds = 5 if world.short else 20
        server, client = world.pair()
        daemon = server if which == "server" else client
        daemon.signal(signal.SIGSTOP)
        time.sleep(seconds)
        daemon.signal(signal.SIGCONT)
        back = time_to_service(USER_PORT)
        expect(server.is_alive and client.is_alive, "a daemon ended")
        answers(daemon)
        return back

    trial.__doc__ = f"The {which} is stopped (SIGSTOP) for a while."
    return trial


def blocked_stdout(world):
    """Nobody reads the daemon's standard output, and 3,000 log lines are due."""
    reading, writing = os.pipe()
    world.stack.callback(os.close, reading)
    more = (
        f"  loud: {{role: client, mode: single, tunnel: 127.0.0.1:{OTHER_PORT}, target: 127.0.0.1:{TARGET_PORT}, "
        "log: debug}\n"
    )
    server, _ = world.pair(more, stdout=writing)
    os.close(writing)
    for _ in range(1500):
        visit(OTHER_PORT, 5)
    start = time.monotonic()
    status, _ = create(server, OTHER_PORT + 1)
    took = time.monotonic() - start
    expect(status == 201 and took < SOON, f"a mutation took {took:.1f} s, answered {status}")
    answers(server)
    return time_to_service(OTHER_PORT + 1)


def dead_names(world):
    """Name servers do not answer: one tunnel's target is a name, others go on."""
    hosts = world.directory / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    resolver = world.directory / "resolv.conf"
    resolver.write_text("nameserver 192.0.2.1\n")
    mounts = f'mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    more = f"  named: {{role: client, mode: single, tunnel: 127.0.0.1:{OTHER_PORT}, target: far.example:{TARGET_PORT}}}\n"
    server, _ = world.pair(more, before=("unshare", "-m", "sh", "-c", mounts, "sh"))
    waiting = []
    for _ in range(50):
        user = socket.create_connection(("127.0.0.1", OTHER_PORT), timeout=2)
        user.setblocking(False)
        waiting.append(user)
    for _ in range(10):
        visit(USER_PORT, SOON)
        answers(server)
        time.sleep(0.2)
    status, _ = create(server, OTHER_PORT + 1)
    expect(status == 201, f"a mutation was answered {status}")
    time_to_service(OTHER_PORT + 1, within=2)
    wait_for("the log names the trouble", lambda: "far.example" in server.log, 15)
    for user in waiting:
        user.close()
    hosts.write_text("127.0.0.1 localhost\n127.0.0.1 far.example\n")
    return time_to_service(OTHER_PORT, limit=7)


# The name of a trial, what it does, and how soon everything has to work again after the repair.
TRIALS = [
    ("descriptors exhausted", descriptors, 8),
    ("memory limited", memory, 2),
    ("disk full", disk_full, 3),
    ("disk read-only", disk_read_only, 3),
    ("store that takes 2 s", slow_store, 8),
    ("clock jumps of a year", clock_jumps, 2),
    ("clock before 1970", clock_before_1970, 2),
    ("server stopped", stopped("server"), 1),
    ("client stopped", stopped("client"), 1),
    ("stdout blocked", blocked_stdout, 2),
    ("names dead", dead_names, 7),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--only", default="", help="trials whose name has this text")
    parser.add_argument("--markdown", help="write the table there")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("chaos.py needs root, for limits, mounts and namespaces; run it with sudo")
    rows = []
    failed = skipped = 0
    for name, trial, within in TRIALS:
        if arguments.only not in name:
            continue
        with contextlib.ExitStack() as stack:
            directory = Path(tempfile.mkdtemp(prefix="nodepass-chaos-"))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            world = World(os.path.abspath(arguments.program), directory, arguments.short, stack)
            try:
                back = trial(world)
                expect(back <= within, f"everything works after {back:.1f} s, not {within} s")
                result = f"{back:.2f} s"
            except Skipped as reason:
                skipped += 1
                result = f"skipped: {reason}"
            except (Failure, TimeoutError, OSError, ValueError) as error:
                failed += 1
                result = f"FAILED: {type(error).__name__}: {error}"
                for log in sorted(directory.glob("*/log")):
                    print(f"-- {log.parent.name}", *log.read_text(errors="replace").splitlines()[-12:], sep="\n")
        rows.append((name, trial.__doc__, result, "; ".join(world.notes)))
        print(f"{name}: {result}", *world.notes, sep="; ", flush=True)
    if arguments.markdown:
        lines = ["| what is wrong | works again after | seen |", "|---|---|---|"]
        lines += [f"| {doc.rstrip('.')} | {result} | {notes} |" for _, doc, result, notes in rows]
        Path(arguments.markdown).write_text("\n".join(lines) + "\n")
    print(f"{len(rows) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
