"""Daemons, their API, an echo service and users, for the trials of this directory."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

KEY = "a-key-that-is-long-enough-for-a-test"

ECHO = """
import asyncio, sys
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)
    def pause_writing(self): self.transport.pause_reading()
    def resume_writing(self): self.transport.resume_reading()
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", int(sys.argv[1]), backlog=512)
    await server.serve_forever()
asyncio.run(main())
"""


def start_echo(port, before=()):
    return subprocess.Popen([*before, sys.executable, "-c", ECHO, str(port)])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """A daemon on a manifest of its own; `before` is a command that it is started by."""

    def __init__(self, program, directory, manifest, before=(), environment=None, state=None, stdout=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        self.manifest = self.directory / "tunnels.yaml"
        self.manifest.write_text(manifest)
        self.state = Path(state or self.directory / "state")
        self.log_file = self.directory / "log"
        log = open(self.log_file, "wb")
        self.process = subprocess.Popen(
            [*before, program, "run", "-f", str(self.manifest), "--state-dir", str(self.state), "--listen", "127.0.0.1:0"],
            stdout=stdout or log,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
        log.close()

    @property
    def is_alive(self):
        return self.process.poll() is None

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def resident(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def request(self, method, path, body=None, timeout=5):
        """The status and the JSON of an answer of the API, through its Unix socket."""
        connection = UnixConnection(str(self.state / "nodepass.sock"), timeout)
        try:
            connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, within=20):
        """The exit code of a daemon that was asked to end; None when it had to be killed."""
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def visit(port, limit=5.0, size=100, host="127.0.0.1"):
    """One user who gets their own bytes back; raises OSError when they do not within `limit` seconds."""
    sent = os.urandom(size)
    end = time.monotonic() + limit
    with socket.create_connection((host, port), timeout=limit) as user:
        user.sendall(sent)
        got = b""
        while len(got) < size:
            user.settimeout(max(0.01, end - time.monotonic()))
            part = user.recv(65536)
            if not part:
                raise OSError("the connection ended early")
            got += part
    if got != sent:
        raise ValueError("wrong bytes")


def wait_for(what, condition, within):
    """Seconds until `condition` holds; an error of a socket counts as no."""
    start = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - start
        except OSError:
            pass
        if time.monotonic() - start > within:
            raise TimeoutError(f"{what}: not within {within} s")
        time.sleep(0.05)


def time_to_service(port, within=30, limit=2.0):
    """Seconds until a user is served; each of the attempts may take `limit`."""
    return wait_for(f"a user at {port} is served", lambda: visit(port, limit) or True, within)
