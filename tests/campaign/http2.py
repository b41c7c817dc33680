"""A client of HTTP/2 of the smallest kind: some requests at once on one connection.

RFC 9113 and 7541. Requests are sent without Huffman coding and without the dynamic table; of
answers the status alone is decoded, which is the first field of each.
"""

import asyncio
import struct

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
STATUS = {0x88: 200, 0x89: 204, 0x8C: 400, 0x8D: 404, 0x8E: 500}
# RFC 7541, appendix B: the digits.
DIGITS = {f"{digit:05b}": str(digit) for digit in range(3)}
DIGITS |= {f"{0b011001 + digit - 3:06b}": str(digit) for digit in range(3, 10)}


def text(value):
    assert len(value) < 127 + 128
    size = len(value)
    return (bytes([size]) if size < 127 else bytes([127, size - 127])) + value


def field(name, value):
    return b"\x10" + text(name) + text(value)


def status_of(block):
    # A change of the dynamic table's size may stand before it.
    while block[0] & 0xE0 == 0x20:
        block = block[1:]
    if block[0] in STATUS:
        return STATUS[block[0]]
    size = block[1] & 0x7F
    value = block[2 : 2 + size]
    if not block[1] & 0x80:
        return int(value)
    bits = "".join(f"{byte:08b}" for byte in value)
    digits = ""
    while len(digits) < 3:
        length = 5 if bits[:5] in DIGITS else 6
        digits += DIGITS[bits[:length]]
        bits = bits[length:]
    return int(digits)


class Stream:
    def __init__(self):
        self.status, self.body = None, bytearray()
        self.end = asyncio.get_running_loop().create_future()

    def finish(self, whole):
        if not self.end.done():
            self.end.set_result(whole)


class Connection:
    """A connection; once it has ended, so have its streams."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.streams, self.next, self.is_open = {}, 1, True
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        # No dynamic table, and windows that need no care.
        settings = struct.pack("!HI", 1, 0) + struct.pack("!HI", 4, (1 << 31) - 1)
        self.frame(SETTINGS, 0, 0, settings)
        self.frame(WINDOW, 0, 0, struct.pack("!I", (1 << 31) - 1 - 65535))
        self.reading = asyncio.create_task(self.read())

    def frame(self, kind, flags, stream, payload=b""):
        head = struct.pack("!I", len(payload))[1:] + bytes([kind, flags])
        self.writer.write(head + struct.pack("!I", stream) + payload)

    def ask(self, method, target, basic):
        stream = Stream()
        number, self.next = self.next, self.next + 2
        self.streams[number] = stream
        block = field(b":method", method) + field(b":scheme", b"http")
        block += field(b":path", target) + field(b":authority", b"gw")
        block += field(b"authorization", basic)
        self.frame(HEADERS, 5, number, block)
        if not self.is_open:
            stream.finish(False)
        return stream

    async def read(self):
        try:
            while True:
                head = await self.reader.readexactly(9)
                size = int.from_bytes(head[:3], "big")
                payload = await self.reader.readexactly(size)
                self.take(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        except (OSError, EOFError):
            pass
        finally:
            self.is_open = False
            self.writer.close()
            for stream in self.streams.values():
                stream.finish(False)

    def take(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        if kind == SETTINGS and not flags & 1:
            self.frame(SETTINGS, 1, 0)
        elif kind == PING and not flags & 1:
            self.frame(PING, 1, 0, payload)
        elif kind == GOAWAY:
            self.is_open = False
        elif stream and kind == HEADERS:
            if stream.status is None:
                stream.status = status_of(payload)
        elif stream and kind == DATA:
            stream.body += payload
        if stream and (kind == RST or (kind in (DATA, HEADERS) and flags & 1)):
            del self.streams[number]
            stream.finish(kind != RST)
