"""Users of a tunnel while a package is upgraded: one that stays, and new ones all the time.

    traffic.py PORT TARGET SECONDS

runs the target, too: it sends back what it gets. Prints as JSON how long the one that stays was served, how many new ones
there were, how many were refused, and over what time.
"""
import json
import socket
import sys
import threading
import time

port, target, seconds = (int(text) for text in sys.argv[1:])


def echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)


def serve() -> None:
    with socket.create_server(("127.0.0.1", target), backlog=512) as listener:
        while True:
            threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()


def ask(connection: socket.socket) -> None:
    connection.sendall(b"x")
    if connection.recv(1) != b"x":
        raise ConnectionResetError


threading.Thread(target=serve, daemon=True).start()
start = time.monotonic()
held = {"served": 0.0}


def stay() -> None:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            while time.monotonic() - start < seconds:
                ask(connection)
                held["served"] = time.monotonic() - start
                time.sleep(0.01)
    except OSError as error:
        held["ended"] = type(error).__name__


threading.Thread(target=stay, daemon=True).start()
count, failures = 0, []
while time.monotonic() - start < seconds:
    count += 1
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            ask(connection)
    except OSError:
        failures.append(time.monotonic() - start)
    time.sleep(0.005)
span = failures[-1] - failures[0] if failures else 0.0
print(json.dumps({"held": held, "users": count, "refused": len(failures), "span": span, "first": failures[:1]}))
