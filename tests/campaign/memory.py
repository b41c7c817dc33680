"""What one connection costs the gate in memory, attack by attack.

Each attack is made on some hundred connections at once, which are then held; what the
process's own memory grew by, divided by them, is printed. Usage: memory.py BINARY [COUNT].
Exit code 1 where an attack costs more than its bound.
"""

import asyncio
import logging
import pathlib
import re
import struct
import sys
import tempfile

import http2
from account import Account
from gate import Gate, basic
from upstream import Upstream

KIB = 1024
# Nothing is to end the attacks before they are measured.
PATIENT = """
connect = "2s", first_byte = "60s", body_idle = "60s", send_idle = "60s"
""".strip()
LIMITS = """
first_byte = "60s"
head = "60s"
body_idle = "60s"
send_idle = "60s"
"""


class Stuck(Upstream):
    """Reads a head and no body; a download comes as fast as it is taken, without end."""

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/any/large" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while True:
                    writer.write(bytes(64 * KIB))
                    await writer.drain()
            # No more than asyncio has read already: `limit` bounds that.
            writer.transport.pause_reading()
            await asyncio.sleep(3600)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Attacks:
    def __init__(self, gate):
        self.gate = gate
        self.basic = basic(gate.steady[0].sid, gate.steady[0].secret)

    def head(self, method, target, extra=""):
        line = f"{method} {target} HTTP/1.1\r\nHost: gw\r\nAuthorization: {self.basic}\r\n"
        return (line + extra).encode()

    async def connect(self):
        # A buffer of nothing, so that an answer that is not read stays in the gate.
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gate.port, limit=1)
        return reader, writer

    async def send(self, data):
        reader, writer = await self.connect()
        writer.write(data)
        return writer

    async def silent(self):
        return await self.send(b"")

    async def begun(self):
        return await self.send(b"GET /any/1 HT")

    async def slow_head(self):
        return await self.send(self.head("GET", "/any/1", "X-Slow: "))

    async def big_head(self):
        return await self.send(self.head("GET", "/any/1", "X-Big: " + "x" * 31 * KIB))

    async def slow_body(self):
        return await self.send(self.head("POST", "/any/1", "Content-Length: 1000000\r\n\r\nx"))

    async def large_body(self):
        writer = await self.send(self.head("POST", "/any/1", "Content-Length: 100000000\r\n\r\n"))
        writer.write(bytes(8 << 20))
        return writer

    async def unread_answer(self):
        writer = await self.send(self.head("GET", "/any/large", "\r\n"))
        writer.transport.pause_reading()
        return writer

    async def http2(self, settings=b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gate.port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(writer, http2.SETTINGS, 0, 0, settings)
        # What the gate says is read and forgotten.
        writer.reading = asyncio.create_task(self.forget(reader))
        return writer

    async def forget(self, reader):
        try:
            while await reader.read(1 << 16):
                pass
        except OSError:
            pass

    def frame(self, writer, kind, flags, stream, payload=b""):
        head = struct.pack("!I", len(payload))[1:] + bytes([kind, flags])
        writer.write(head + struct.pack("!I", stream) + payload)

    def block(self, target, extra=b""):
        pairs = ((":method", "GET"), (":scheme", "http"), (":path", target), (":authority", "gw"))
        block = b"".join(http2.field(name.encode(), value.encode()) for name, value in pairs)
        return block + http2.field(b"authorization", self.basic.encode()) + extra

    async def http2_idle(self):
        return await self.http2()

    async def http2_windows_of_zero(self):
        writer = await self.http2(struct.pack("!HI", 4, 0))
        for number in range(100):
            self.frame(writer, http2.HEADERS, 5, 2 * number + 1, self.block("/any/large"))
        return writer

    async def http2_hpack_bomb(self):
        writer = await self.http2(struct.pack("!HI", 4, 0))
        # An entry of 4,000 bytes in the dynamic table, and a hundred references to it.
        entry = b"\x40" + http2.text(b"x-bomb") + b"\x7f\xa1\x1e" + b"x" * 4000
        self.frame(writer, http2.HEADERS, 5, 1, self.block("/any/large", entry))
        for number in range(1, 100):
            bomb = self.block("/any/large", b"\xbe" * 100)
            self.frame(writer, http2.HEADERS, 5, 2 * number + 1, bomb)
        return writer

    async def http2_open_headers(self):
        writer = await self.http2()
        self.frame(writer, http2.HEADERS, 0, 1, self.block("/any/1", http2.field(b"x-a", b"x" * 200) * 60))
        return writer

    async def http2_control_flood(self):
        writer = await self.http2()
        writer.reading.cancel()
        writer.transport.pause_reading()
        for _ in range(2_000):
            self.frame(writer, 6, 0, 0, bytes(8))
            self.frame(writer, http2.SETTINGS, 0, 0)
        return writer


# The bound of each, in KiB: what it may cost besides the buffers of the kernel.
BOUNDS = {
    "silent": 16,
    "begun": 96,
    "slow_head": 96,
    "big_head": 192,
    "slow_body": 128,
    "large_body": 512,
    "unread_answer": 512,
    "http2_idle": 64,
    "http2_windows_of_zero": 16 * KIB,
    "http2_hpack_bomb": 16 * KIB,
    "http2_open_headers": 192,
    "http2_control_flood": 512,
}


async def measure(binary, name, count, folder):
    """KiB for each connection under one attack, by a gate of its own; and how many stayed."""
    account = Account()
    upstream = Stuck(account, 1)
    await upstream.listen()
    gate = Gate(account, binary, folder, [upstream])
    gate.lay()
    main = gate.path("sidgate.toml")
    text = re.sub(r"timeouts = \{.*\}", "timeouts = { " + PATIENT + " }", main.read_text())
    main.write_text(text + LIMITS)
    await gate.start()
    # What a first request costs is no connection's.
    for _ in range(20):
        await gate.admin("GET", "/v1/status")
    attacks = Attacks(gate)
    first = await attacks.silent()
    await asyncio.sleep(0.5)
    gate.look()
    before, gate.memory = gate.memory, 0
    held = []
    for _ in range(count):
        held.append(await getattr(attacks, name)())
        gate.look()
    for _ in range(20):
        await asyncio.sleep(0.1)
        gate.look()
    alive = sum(not writer.is_closing() for writer in held)
    for writer in [first, *held]:
        writer.transport.abort()
    gate.process.kill()
    await gate.process.wait()
    upstream.server.close()
    return (gate.memory - before) / count, alive


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    beyond = []
    # A peer that ends the connection under an attack is what is wanted.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    print("| attack | KiB for each | bound | still open at the end |\n| --- | --- | --- | --- |")
    for name, bound in BOUNDS.items():
        with tempfile.TemporaryDirectory() as folder:
            cost, alive = asyncio.run(measure(binary, name, count, folder))
        what = name.replace("_", " ").replace("http2", "HTTP/2:")
        print(f"| {what} | {cost:,.0f} | {bound:,} | {alive} of {count} |", flush=True)
        if cost > bound:
            beyond.append(name)
    sys.exit(f"beyond their bounds: {beyond}" if beyond else 0)


if __name__ == "__main__":
    main()
