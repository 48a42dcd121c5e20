#!/usr/bin/python3
"""A relay that cuts connections after a random number of bytes, or holds bytes back: stands between musterd and Redis.

    cutter.py SOCKET           relays to the unix socket SOCKET; says its port on stdout, ends at the end of stdin

Orders on stdin, one a line: `cut SEED LEAST MOST` each connection, old or new, is cut after so many more bytes in one of
its directions; `delay LEAST_MS MOST_MS` each piece waits so long; `part` nothing passes any more, as when a cable is
pulled; `replace OLD NEW` (hexadecimal, of one length) changes what is said to Redis; `calm` none of these. Answers each with the number of connections cut so far."""

import asyncio
import contextlib
import random
import socket
import struct
import sys


class Relay:
    def __init__(self, target):
        self.target, self.links, self.cuts = target, set(), 0
        self.random, self.bytes, self.delay, self.lie = random.Random(0), None, None, None
        self.joined = asyncio.Event()
        self.joined.set()

    async def serve(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(self, (reader, writer), (far_reader, far_writer))
        self.links.add(link)
        await asyncio.gather(link.pump(reader, far_writer, 0), link.pump(far_reader, writer, 1))
        self.links.discard(link)

    def budget(self):
        """Bytes until the cut, for either direction; None: no cut."""
        if self.bytes is None:
            return [None, None]
        left = [None, None]
        left[self.random.randrange(2)] = self.random.randint(*self.bytes)
        return left

    def order(self, line):
        words = line.split()
        if words[0] == "cut":
            self.random, self.bytes = random.Random(int(words[1])), (int(words[2]), int(words[3]))
        elif words[0] == "delay":
            self.delay = (float(words[1]) / 1000, float(words[2]) / 1000)
        elif words[0] == "replace":
            self.lie = (bytes.fromhex(words[1]), bytes.fromhex(words[2]))
        elif words[0] == "part":
            self.joined.clear()
        else:
            self.bytes = self.delay = self.lie = None
            self.joined.set()
        for link in self.links:
            link.left = self.budget()
        return self.cuts


class Link:
    def __init__(self, relay, near, far):
        self.relay, self.near, self.far = relay, near, far
        self.left = relay.budget()
        self.open = True

    async def pump(self, reader, writer, direction):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(65536):
                if self.relay.delay:
                    await asyncio.sleep(self.relay.random.uniform(*self.relay.delay))
                await self.relay.joined.wait()
                if self.relay.lie and direction == 0:
                    data = data.replace(*self.relay.lie)
                left = self.left[direction]
                if left is not None and len(data) >= left:
                    writer.write(data[:left])
                    await writer.drain()
                    self.relay.cuts += 1
                    self.cut()
                    return
                if left is not None:
                    self.left[direction] = left - len(data)
                writer.write(data)
                await writer.drain()
        self.close()

    def cut(self):
        """A reset towards musterd, as of a host that is gone; Redis sees an end."""
        if self.open:
            near = self.near[1].get_extra_info("socket")
            with contextlib.suppress(OSError, AttributeError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.open:
            self.open = False
            for _, writer in (self.near, self.far):
                writer.close()


async def main(target):
    relay = Relay(target)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        print(relay.order(line.decode()), flush=True)
    for link in list(relay.links):
        link.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
