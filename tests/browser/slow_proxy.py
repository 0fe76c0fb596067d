"""A way to a server that takes its time, as from a laptop to a cluster on another continent."""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import contextmanager, suppress

ROUND_TRIP = 0.120  # s


@contextmanager
def slow_way(address, round_trip=ROUND_TRIP):
    """Yield an address that leads to a server; every message takes half a round trip each way."""
    host, port = address.removeprefix("http://").split(":")
    held: list = []
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        work = (door, (host, int(port)), round_trip / 2, held)
        inside = threading.Thread(target=_let_in, args=work, daemon=True)
        inside.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        with suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
    inside.join(10)
    for end in held:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def _let_in(door, target, delay, held):
    while True:
        try:
            client, _ = door.accept()
        except OSError:
            return  # closed
        server = socket.create_connection(target)
        held += [client, server]
        for one, other in ((client, server), (server, client)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _carry(one, other, delay)


def _carry(source, target, delay):
    """Carry bytes from one end to the other, each of them late, none of them out of order."""
    waiting: queue.Queue = queue.Queue()

    def take():
        held = b"."
        while held:
            try:
                held = source.recv(1 << 16)
            except OSError:
                held = b""
            waiting.put((time.monotonic() + delay, held))

    def give():
        held = b"."
        while held:
            when, held = waiting.get()
            time.sleep(max(0.0, when - time.monotonic()))
            with suppress(OSError):
                if held:
                    target.sendall(held)
                else:
                    target.shutdown(socket.SHUT_WR)

    for work in (take, give):
        threading.Thread(target=work, daemon=True).start()
