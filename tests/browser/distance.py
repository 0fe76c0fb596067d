"""A server that is far away: the same bytes, later."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import contextmanager

CHUNK = 1 << 16


@contextmanager
def far_away(port, round_trip):
    """Serve what a port of this machine serves, each way half a round trip (in seconds) later.

    Yields the port to go to instead.
    """
    line, ready = _Line(port, round_trip / 2), queue.Queue()
    thread = threading.Thread(target=lambda: asyncio.run(line.serve(ready)), daemon=True)
    thread.start()
    loop, stop, far_port = ready.get()
    try:
        yield far_port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


class _Line:
    """A long line to a port."""

    def __init__(self, port, delay):
        self.port, self.delay, self.writers = port, delay, set()

    async def serve(self, ready):
        server, stop = await asyncio.start_server(self.meet, "127.0.0.1", 0), asyncio.Event()
        ready.put((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
        await stop.wait()
        server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(2 * self.delay)  # until those are gone

    async def meet(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers |= {writer, back}
        await asyncio.gather(self.carry(reader, back), self.carry(there, writer))
        self.writers -= {writer, back}

    async def carry(self, reader, writer):
        """Write whatever comes as late as it came plus the delay, in order, then hang up."""
        loop = asyncio.get_running_loop()
        try:
            while chunk := await reader.read(CHUNK):
                loop.call_later(self.delay, _write, writer, chunk)
        except ConnectionError:
            pass
        await asyncio.sleep(self.delay)
        writer.close()


def _write(writer, chunk):
    if not writer.is_closing():
        writer.write(chunk)
