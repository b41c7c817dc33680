"""Clients of every kind, each asking until the campaign is over."""

import asyncio
import random

import http2
from account import PATIENCE, body_of, now
from gate import basic

LOST = (OSError, EOFError, asyncio.LimitOverrunError)


class Clients:
    def __init__(self, account, gate, seed):
        self.account, self.gate, self.random = account, gate, random.Random(seed)

    def key(self):
        """Whose credentials the next request carries; `None` is nobody's."""
        choice = self.random.random()
        if choice < 0.5:
            return self.random.choice(self.gate.steady)
        if choice < 0.85:
            return self.random.choice(self.random.choice(self.gate.flickering))
        return self.gate.edited if choice < 0.95 else None

    def basic(self, key):
        return basic(key.sid, key.secret) if key else basic("nobody", "knows-this")

    def head(self, request, extra=""):
        return (
            f"{request.method} {request.target} HTTP/1.1\r\nHost: gw\r\n"
            f"Authorization: {self.basic(request.key)}\r\n{extra}\r\n"
        ).encode()

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.gate.port, limit=1 << 21)

    async def read(self, reader, request):
        """Reads one answer and has it judged; whether the connection can go on."""
        status, number, body, whole, why = None, None, b"", True, ""
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                status = int(lines[0].split()[1])
                fields = {}
                for line in lines[1:-2]:
                    name, value = line.split(":", 1)
                    fields[name.lower()] = value.strip()
                number = int(fields["x-for"]) if "x-for" in fields else None
                body = bytearray()
                if "content-length" in fields:
                    left = int(fields["content-length"])
                    while left:
                        piece = await reader.read(min(left, 1 << 16))
                        if not piece:
                            raise EOFError("within a body")
                        body += piece
                        left -= len(piece)
                else:
                    while size := int(await reader.readuntil(b"\r\n"), 16):
                        while size:
                            piece = await reader.read(size)
                            if not piece:
                                raise EOFError("within a chunk")
                            body += piece
                            size -= len(piece)
                        await reader.readexactly(2)
                    await reader.readexactly(2)
        except asyncio.TimeoutError:
            self.account.violation(f"{request.number}: no end within {PATIENCE} s: {request.fates}")
            whole = False
        except LOST as error:
            whole, why = False, repr(error)
        except ValueError as error:
            self.account.violation(f"{request.number}: not HTTP/1.1: {error}")
            whole = False
        self.account.ended(request, status, number, body, whole, why)
        return whole and status is not None and fields.get("connection") != "close"

    async def asks(self, kind, once):
        """Asks again and again on connections that are kept, or on new ones each time."""
        while not self.account.done.is_set():
            try:
                reader, writer = await self.connect()
            except OSError:
                if not self.account.is_out(now() - 1, now()):
                    self.account.violation("the gate does not accept")
                await asyncio.sleep(0.05)
                continue
            try:
                while not self.account.done.is_set() and await once(reader, writer, kind):
                    if kind == "new connection":
                        break
            except LOST:
                pass
            writer.close()
            if kind == "new connection":
                await asyncio.sleep(0.005)

    async def small(self, reader, writer, kind):
        """A small request; POST with a small body."""
        method = self.random.choice(("GET", "GET", "POST", "PUT"))
        sent = 0 if method == "GET" else self.random.randint(1, 2000)
        size = self.random.randint(1, 3000)
        request = self.account.begin(method, size, self.key(), kind, sent)
        extra = f"Content-Length: {sent}\r\n" if sent else ""
        writer.write(self.head(request, extra) + body_of(request.number, sent))
        return await self.read(reader, request)

    async def pipelined(self, reader, writer, kind):
        """Three at once; the answers come in the order of the questions."""
        ask = lambda: self.account.begin("GET", 100, self.random.choice(self.gate.steady), kind)
        requests = [ask() for _ in range(3)]
        writer.write(b"".join(map(self.head, requests)))
        while requests:
            if not await self.read(reader, requests.pop(0)):
                # RFC 9112 9.3.2: what follows a connection's end was not answered.
                for request in requests:
                    request.fates.append("pipelined behind the end of a connection")
                    self.account.ended(request) if request.attempts else self.account.aborted(request)
                return False
        return True

    async def upload(self, reader, writer, kind):
        """A body that is larger than any buffer, in pieces."""
        sent = self.random.randint(50_000, 1_000_000)
        request = self.account.begin("POST", 50, self.key(), kind, sent)
        body = body_of(request.number, sent)
        chunked = self.random.random() < 0.5
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {sent}"
        writer.write(self.head(request, framing + "\r\n"))
        sending = asyncio.create_task(self.send(writer, body, chunked))
        again = await self.read(reader, request)
        done = sending.done() and not sending.cancelled() and sending.exception() is None
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return again and done

    async def send(self, writer, body, chunked):
        for at in range(0, len(body), 30_000):
            piece = body[at : at + 30_000]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    async def download(self, reader, writer, kind):
        request = self.account.begin("GET", self.random.randint(100_000, 2_000_000), self.key(), kind)
        writer.write(self.head(request))
        return await self.read(reader, request)

    async def abort(self, reader, writer, kind):
        """Goes away in the middle of a request, or of its answer."""
        key = self.random.choice(self.gate.steady)
        request = self.account.begin("POST", 200_000, key, kind, 100_000)
        head = self.head(request, "Content-Length: 100000\r\n")
        body = body_of(request.number, 100_000)
        where = self.random.choice((len(head) // 2, len(head), len(head) + 30_000, len(head) + 100_000))
        writer.write((head + body)[:where])
        await asyncio.sleep(self.random.uniform(0, 0.05))
        writer.transport.abort()
        self.account.aborted(request)
        return False

    async def tunnel(self, reader, writer, kind):
        """A tunnel through which everything comes back as it was sent."""
        key = self.random.choice(self.gate.steady)
        began = now()
        writer.write(
            (
                f"GET /ws/1 HTTP/1.1\r\nHost: gw\r\nAuthorization: {self.basic(key)}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            ).encode()
        )
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head:
                self.account.counts["tunnels refused"] += 1
                if int(head.split()[1]) not in (502, 503, 504):
                    self.account.violation(f"a tunnel: {head!r}")
                return False
            self.account.counts["tunnels"] += 1
            while not self.account.done.is_set() and now() - began < 10:
                sent = self.random.randbytes(self.random.randint(1, 3000))
                writer.write(sent)
                if await reader.readexactly(len(sent)) != sent:
                    self.account.violation("a tunnel gave something else back")
                self.account.counts["messages through tunnels"] += 1
                await asyncio.sleep(0.01)
        return False

    async def slow(self, reader, writer, kind):
        """A head that comes byte by byte, and never whole."""
        for byte in b"GET /any/0 HTTP/1.1\r\nHost: gw\r\nX-Slow: ":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return False

    async def streams(self):
        """Requests on four streams of one HTTP/2 connection."""
        while not self.account.done.is_set():
            try:
                reader, writer = await self.connect()
            except OSError:
                await asyncio.sleep(0.05)
                continue
            connection = http2.Connection(reader, writer)
            await asyncio.gather(*(self.stream(connection) for _ in range(4)))
            writer.close()

    async def stream(self, connection):
        for _ in range(500):
            if self.account.done.is_set() or not connection.is_open:
                return
            method = self.random.choice(("GET", "POST"))
            request = self.account.begin(method, self.random.randint(1, 5000), self.key(), "HTTP/2 stream")
            basic = self.basic(request.key).encode()
            stream = connection.ask(method.encode(), request.target.encode(), basic)
            try:
                whole = await asyncio.wait_for(stream.end, PATIENCE)
            except asyncio.TimeoutError:
                self.account.violation(f"{request.number}: no end within {PATIENCE} s: {request.fates}")
                whole = False
            if stream.status is None and not connection.is_open:
                request.fates.append("its connection ended")
            self.account.ended(request, stream.status, None, stream.body, whole)
