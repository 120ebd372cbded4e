"""Two network namespaces and the wire between them, which loses, delays and reorders packets as told.

The wire is a pair of TUN devices and a loop in this process, so that no kernel module is needed. It needs
root, and touches nothing outside of the two namespaces that it makes.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from dataclasses import dataclass

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
LEFT, RIGHT = "10.77.0.1", "10.77.0.2"


@dataclass
class Manner:
    """How one direction treats packets: shares from 0 to 1, times in seconds, sizes in bytes."""

    loss: float = 0
    delay: float = 0
    jitter: float = 0
    reorder: float = 0
    reorder_delay: float = 0.02
    mtu: int = 1500


class Wire:
    """Carries packets between the namespaces `left` and `right` until it is closed."""

    def __init__(self, name, seed=1):
        self.left, self.right = f"{name}-left", f"{name}-right"
        self.manners = {0: Manner(), 1: Manner()}
        self.dropped = 0
        self._random = random.Random(seed)
        self._closing = False
        self._devices = []
        for namespace, address, peer in ((self.left, LEFT, RIGHT), (self.right, RIGHT, LEFT)):
            run("ip", "netns", "add", namespace)
            self._devices.append(self._device(namespace, address, peer))
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _device(self, namespace, address, peer):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        name = f"npw{os.getpid() % 10000}{len(self._devices)}"
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN_NO_PI))
        run("ip", "link", "set", name, "netns", namespace)
        inside = ("ip", "netns", "exec", namespace)
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "addr", "add", address, "peer", peer, "dev", name)
        run(*inside, "ip", "link", "set", name, "up", "txqueuelen", "5000")
        return descriptor

    def both(self, manner):
        """Treats both directions in this manner from now on."""
        self.manners = {0: manner, 1: manner}

    def one_way(self, manner):
        """Treats what goes from left to right in this manner, and the way back as a good wire does."""
        self.manners = {0: manner, 1: Manner()}

    def _carry(self):
        waiting = []
        number = 0
        while not self._closing:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, side, packet = heapq.heappop(waiting)
                self._write(side, packet)
            patience = min(0.05, waiting[0][0] - now) if waiting else 0.05
            readable, _, _ = select.select(self._devices, [], [], max(0, patience))
            for descriptor in readable:
                side = self._devices.index(descriptor)
                for _ in range(64):
                    try:
                        packet = os.read(descriptor, 65536)
                    except BlockingIOError:
                        break
                    manner = self.manners[side]
                    if len(packet) > manner.mtu or self._random.random() < manner.loss:
                        self.dropped += 1
                        continue
                    delay = manner.delay + self._random.uniform(-1, 1) * manner.jitter
                    if self._random.random() < manner.reorder:
                        delay += manner.reorder_delay
                    if delay <= 0:
                        self._write(1 - side, packet)
                    else:
                        number += 1
                        heapq.heappush(waiting, (time.monotonic() + delay, number, 1 - side, packet))

    def _write(self, side, packet):
        try:
            os.write(self._devices[side], packet)
        except OSError:
            self.dropped += 1

    def set_mtu(self, mtu):
        """What both hosts believe of the wire, as they do behind a router that says so."""
        for side, namespace in enumerate((self.left, self.right)):
            name = f"npw{os.getpid() % 10000}{side}"
            run("ip", "netns", "exec", namespace, "ip", "link", "set", name, "mtu", str(mtu))

    def close(self):
        self._closing = True
        self._thread.join()
        for descriptor in self._devices:
            os.close(descriptor)
        for namespace in (self.left, self.right):
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def run(*command):
    subprocess.run(command, check=True)
