"""Upstream servers of HTTP/1.1 that misbehave on a schedule."""

import asyncio
import random
import re
import socket
import struct

from account import body_of, now

NUMBER = re.compile(rb"/any/(\d+)\?size=(\d+)")
# What a server does to a request, beside answering it well.
FAULTS = (
    "dies before it answers",
    "dies within its head",
    "dies within its body",
    "dies within its chunks",
    "resets within its body",
    "says a length that is too long",
    "sends more than it said",
    "answers twice",
    "garbage",
    "interim answers, then the end",
    "never answers",
    "trickles and stops",
    "answers before the request is whole",
    "two lengths",
)
# How it behaves for some seconds: the part of requests that meet a fault.
MOODS = (("well", 0.0), ("well", 0.02), ("flaky", 0.2), ("ill", 0.8), ("down", 0.0))


class Upstream:
    def __init__(self, account, seed):
        self.account, self.random = account, random.Random(seed)
        self.faulty, self.connections, self.port = 0.0, {}, 0
        self.server = None

    async def listen(self):
        handler = self.serve
        self.server = await asyncio.start_server(
            handler, "127.0.0.1", self.port, limit=1 << 20, reuse_address=True
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def run(self):
        """Changes its mood until the campaign is over."""
        while not self.account.done.is_set():
            mood, self.faulty = self.random.choice(MOODS)
            if mood == "down":
                self.server.close()
                self.account.faults["server down"] += 1
                for writer, number in list(self.connections.items()):
                    self.account.spoil(number, "cut")
                    writer.transport.abort()
            await self.pause(self.random.uniform(1, 4))
            if mood == "down":
                await self.listen()

    async def pause(self, seconds):
        try:
            await asyncio.wait_for(self.account.done.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    async def serve(self, reader, writer):
        self.connections[writer] = 0
        try:
            while await self.exchange(reader, writer):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            del self.connections[writer]
            writer.close()

    async def exchange(self, reader, writer):
        """One request; false where the connection is to end."""
        head = await reader.readuntil(b"\r\n\r\n")
        if b"\r\nupgrade: websocket\r\n" in head.lower():
            return await self.tunnel(reader, writer, head)
        method = head.split(b" ", 1)[0].decode()
        found = NUMBER.search(head)
        if not found:
            self.account.violation(f"an upstream was asked {head[:80]!r}")
            return False
        if b"authorization" in head.lower() or head.lower().count(b"x-auth-sid:") != 1:
            self.account.violation(f"headers at an upstream: {head!r}")
        number, size = int(found[1]), int(found[2])
        self.connections[writer] = number
        fate = "good"
        if self.random.random() < self.faulty:
            fate = self.random.choice(FAULTS)
        self.account.seen(number, fate, method)
        if fate == "answers before the request is whole":
            writer.write(self.answer(number, size))
            await writer.drain()
            await asyncio.sleep(0.01)
            return False
        try:
            length, right = await self.read_body(reader, head, number)
        finally:
            if writer.is_closing():
                self.account.spoil(number, "cut")
        if not right:
            self.account.violation(f"{number}: another body of {length} bytes at the upstream")
        answer = self.answer(number, size)
        if fate == "good":
            writer.write(answer)
            if writer.is_closing():
                # It was cut while the request lay in its buffer.
                self.account.spoil(number, "cut")
            await writer.drain()
            # Now and then it says nothing and closes.
            return self.random.random() > 0.01
        await self.misbehave(fate, reader, writer, answer, number, size)
        return False

    def answer(self, number, size):
        head = f"HTTP/1.1 200 OK\r\nX-For: {number}\r\n"
        body = body_of(number, size)
        if self.random.random() < 0.3:
            chunks = b"".join(
                b"%x\r\n%s\r\n" % (len(body[at : at + 5000]), body[at : at + 5000])
                for at in range(0, len(body), 5000)
            )
            return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        return head.encode() + b"Content-Length: %d\r\n\r\n" % size + body

    async def read_body(self, reader, head, number):
        """Reads a request's body; how long it was, and whether it was the right one."""
        length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head.lower())
        if length:
            body = await reader.readexactly(int(length[1]))
        elif b"\r\ntransfer-encoding: chunked\r\n" in head.lower():
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            return 0, True
        return len(body), body == body_of(number, len(body))

    async def misbehave(self, fate, reader, writer, answer, number, size):
        head, body = b"HTTP/1.1 200 OK\r\nX-For: %d\r\n" % number, body_of(number, size)
        half = len(body) // 2
        if fate == "dies within its head":
            writer.write(head)
        elif fate == "dies within its body":
            writer.write(head + b"Content-Length: %d\r\n\r\n" % (size + 1) + body[:half])
        elif fate == "dies within its chunks":
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
            writer.write(b"%x\r\n%s" % (size + 10, body[:half]))
        elif fate == "resets within its body":
            writer.write(head + b"Content-Length: %d\r\n\r\n" % (size + 1) + body[:half])
            await writer.drain()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        elif fate == "says a length that is too long":
            writer.write(head + b"Content-Length: %d\r\n\r\n" % (size + 100) + body)
        elif fate == "sends more than it said":
            writer.write(head + b"Content-Length: %d\r\n\r\n" % size + body + b"x" * 100)
        elif fate == "answers twice":
            writer.write(answer + b"HTTP/1.1 200 OK\r\nX-For: 0\r\nContent-Length: 3\r\n\r\nbad")
        elif fate == "garbage":
            writer.write(self.random.randbytes(200) + b"\r\n\r\n")
        elif fate == "interim answers, then the end":
            for _ in range(50):
                writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 20)
                await writer.drain()
        elif fate == "never answers":
            await reader.read()
        elif fate == "trickles and stops":
            writer.write(head + b"Content-Length: %d\r\n\r\n" % (size + 1))
            for at in range(min(half, 20)):
                writer.write(body[at : at + 1])
                await asyncio.sleep(0.01)
            await reader.read()
        elif fate == "two lengths":
            writer.write(head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
        if not writer.is_closing():
            await writer.drain()

    async def tunnel(self, reader, writer, head):
        """A switch of protocols; what comes then is sent back as it is."""
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        ends = now() + self.random.uniform(0, 5)
        while piece := await reader.read(4096):
            writer.write(piece)
            await writer.drain()
            if now() > ends:
                break
        return False
