#!/usr/bin/env python3
"""Checks openapi.json, and lets a fuzzer drive a real daemon by it.

Asks for nothing but a Python with venv: what it uses is installed below .build. Where the machine allows it, daemon and
fuzzer run in a network of their own that has nothing but a loopback; what the fuzzer asks for keeps to 127.0.0.1 anyway.
"""

import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REQUIREMENTS = HERE / "requirements.txt"
INSIDE = "NODEPASS_FUZZ_INSIDE"
LOOPBACK_URL = re.compile(r"(client|server)://([^@/]*@)?127\.0\.0\.1:\d+/127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+)*(\?|$)")

MANIFEST = """\
version: 1
tunnels:
  web:    {role: client, mode: single, tunnel: 127.0.0.1:19001, target: 127.0.0.1:19002}
  inside: {role: server, tunnel: 127.0.0.1:19003, target: 127.0.0.1:19004, key: a-key-for-two}
  away:   {role: client, tunnel: 127.0.0.1:19003, target: 127.0.0.1:19005, key: a-key-for-two, limits: {rate: 10Mbps}}
  asleep: {role: client, mode: single, tunnel: 127.0.0.1:19006, target: 127.0.0.1:19007, state: stopped}
"""


def environment():
    """A virtual environment with exactly what requirements.txt names, made once."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = ROOT / ".build" / f"fuzz-{digest}"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        try:
            venv.create(place, with_pip=True)
        except subprocess.CalledProcessError:
            sys.exit("fuzz: python3 cannot make virtual environments here: install python3-venv, or run `make test-deps`")
        pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", REQUIREMENTS], check=True)
        (place / "complete").touch()
    return place / "bin"


def isolated():
    """How to run a program in a network of its own; nothing where this machine does not allow it."""
    command = ["unshare", "--map-root-user", "--net"]
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    return command if allowed else []


def raise_loopback():
    """A new network's loopback is down."""
    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket() as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, get_flags, request))[1]
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH14x", b"lo", flags | up))


class Daemon:
    """A real daemon with a few tunnels and a state of its own."""

    def __init__(self, program, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.program, self.state = program, directory / "state"
        manifest = directory / "tunnels.yaml"
        manifest.write_text(MANIFEST)
        self.log = directory / "daemon.log"
        self.process = subprocess.Popen(
            [program, "run", "-f", manifest, "--listen", self.address, "--state-dir", self.state, "--log", "warn"],
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def get(self, path, key=""):
        request = urllib.request.Request(f"http://{self.address}{path}", headers={"X-API-Key": key})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def wait(self):
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                return self.get("/readyz")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        sys.exit(f"fuzz: the daemon does not get ready\n{self.log.read_text(errors='replace')}")

    def key(self):
        shown = subprocess.run(
            [self.program, "key", "show", "--state-dir", self.state], check=True, capture_output=True, text=True
        )
        return shown.stdout.strip()

    def stop(self):
        """Whether it was there until now, and went when it was asked to."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=120) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False


def validate(document):
    from openapi_spec_validator import validate as check

    check(json.loads(document))
    print("openapi.json is valid OpenAPI 3.1", flush=True)


def fuzz(daemon, examples, seed, extra):
    statuses = daemon.state / "statuses.json"
    key = daemon.key()
    settings = dict(
        os.environ,
        NODEPASS_KEY=key,
        NODEPASS_FUZZ_STATUSES=str(statuses),
        PYTHONPATH=str(HERE),
        PYTHONDONTWRITEBYTECODE="1",
    )
    command = [
        pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run",
        f"http://{daemon.address}/api/v1/openapi.json", "--max-examples", str(examples), "--seed", str(seed), *extra,
    ]
    checks = [
        subprocess.run(command, env=settings, cwd=daemon.state.parent).returncode == 0,
        has_reached(json.loads(statuses.read_text())),
        has_kept_to_loopback(json.loads(daemon.get("/api/v1/instances", key))),
    ]
    return all(checks)


def has_reached(statuses):
    """Prints what every operation answered; each must have done what it is for at least once."""
    print("\nAnswers by status:")
    for operation, counts in sorted(statuses.items()):
        print(f"  {operation:18}", "  ".join(f"{status}: {count}" for status, count in sorted(counts.items())))
    idle = [name for name, counts in statuses.items() if not any(status.startswith("2") for status in counts)]
    if idle:
        print(f"fuzz: never with success, so not really tested: {', '.join(sorted(idle))}")
    return bool(statuses) and not idle


def has_kept_to_loopback(rows):
    strangers = [row["url"] for row in rows if row["type"] and not LOOPBACK_URL.match(row["url"])]
    if strangers:
        print(f"fuzz: tunnels to other places than 127.0.0.1; fix hooks.py: {strangers}")
    return len(rows) > 1 and not strangers


def inside(options):
    """In the virtual environment and, where there is one, the network of its own."""
    if os.environ[INSIDE] == "isolated":
        raise_loopback()
    with tempfile.TemporaryDirectory(prefix="nodepass-fuzz-") as directory:
        daemon = Daemon(options.program, pathlib.Path(directory))
        try:
            daemon.wait()
            validate(daemon.get("/api/v1/openapi.json"))
            is_good = fuzz(daemon, options.examples, options.seed, options.rest)
        finally:
            has_ended_well = daemon.stop()
        if not has_ended_well:
            print(f"fuzz: the daemon did not end well\n{daemon.log.read_text(errors='replace')[-20_000:]}")
    if not (is_good and has_ended_well):
        sys.exit(
            f"fuzz: failed. `make fuzz EXAMPLES={options.examples} SEED={options.seed}` does the same again; each failure "
            "above ends with a curl command that sends its request to a daemon of yours"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / ".build/debug/nodepass")
    parser.add_argument("--examples", type=int, default=100, help="requests made for each operation and kind of data")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("rest", nargs="*", help="further arguments of `schemathesis run`, after --")
    options = parser.parse_args()
    if INSIDE in os.environ:
        return inside(options)
    python = environment() / "python"
    own_network = isolated()
    os.environ[INSIDE] = "isolated" if own_network else "shared"
    command = [*own_network, python, __file__, *sys.argv[1:]]
    os.execvp(command[0], [str(part) for part in command])


if __name__ == "__main__":
    main()
