"""Clients that hold connections: idle ones after an answer, and ones that read no further."""

import select
import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .credentials import path_of
from .process import Failed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1


@contextmanager
def idle(one, count, *, http2=False):
    """Opens so many connections, has one request answered on each, and keeps them. Gives a
    function that counts those that are still open."""
    context = None
    if one.job.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"] if http2 else ["http/1.1"])
    token, rule = one.job.tokens[0], one.job.rules[0]
    ask = _ask_http2 if http2 else _ask_http1
    held = []

    def open_one(_):
        connection = socket.create_connection(("127.0.0.1", one.port), timeout=10)
        held.append(connection)
        if context:
            # The plain one is emptied by this, and needs no closing.
            connection = context.wrap_socket(connection, server_hostname="localhost")
            held.append(connection)
        ask(connection, path_of(rule, token.sid), token.authorization)

    try:
        # Some at a time: alone, each would wait for two processes to be woken in turn.
        with ThreadPoolExecutor(16) as pool:
            for _ in pool.map(open_one, range(count)):
                pass
        yield lambda: sum(_is_open(connection) for connection in held)
    finally:
        for connection in held:
            connection.close()


def _is_open(connection):
    """Whether the other side has not ended it. Bytes may wait: tickets, settings."""
    if connection.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLRDHUP)
    ready = poll.poll(0)
    return not ready or not ready[0][1] & (select.POLLRDHUP | select.POLLHUP | select.POLLERR)


def _ask_http1(connection, target, authorization):
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                       f"Authorization: {authorization}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failed(f"answered {head[:60]!r}")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.partition(b":")[2]):
                body += _some(connection)


def _some(connection):
    received = connection.recv(16384)
    if not received:
        raise Failed("closed before its answer was whole")
    return received


def _frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name, value):
    """A field of HPACK that neither side keeps (RFC 7541, 6.2.2), without Huffman codes."""
    out = b"\x00"
    for text in (name.encode(), value.encode()):
        # A length of 127 and more goes on in seven bits at a time (RFC 7541, 5.1).
        if len(text) < 127:
            out += bytes([len(text)])
        else:
            rest, out = len(text) - 127, out + b"\x7f"
            while rest >= 128:
                out += bytes([rest % 128 + 128])
                rest //= 128
            out += bytes([rest])
        out += text
    return out


def _ask_http2(connection, target, authorization):
    fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"),
              (":path", target), ("authorization", authorization)]
    block = b"".join(_literal(name, value) for name, value in fields)
    connection.sendall(PREFACE + _frame(SETTINGS, 0, 0)
                       + _frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
    received = b""
    while True:
        while len(received) < 9:
            received += _some(connection)
        length = int.from_bytes(received[:3], "big")
        kind, flags = received[3], received[4]
        while len(received) < 9 + length:
            received += _some(connection)
        payload, received = received[9:9 + length], received[9 + length:]
        if kind == SETTINGS and not flags & ACK:
            connection.sendall(_frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            connection.sendall(_frame(PING, ACK, 0, payload))
        elif kind == HEADERS and payload[:1] not in (b"\x88", b"\x20", b"\x3f"):
            # 200 is 0x88 (RFC 7541, appendix A); before it there may be a table size.
            raise Failed(f"answered with a field block that begins {payload[:4].hex()}")
        elif kind == GOAWAY:
            raise Failed("sent away")
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            return


@contextmanager
def slow_readers(one, count, size):
    """Clients with a small window that ask for a large answer and read none of it."""
    token, rule = one.job.tokens[0], one.job.rules[0]
    request = (f"GET {path_of(rule, token.sid)}?size={size} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
               f"Authorization: {token.authorization}\r\n\r\n").encode()
    held = []
    try:
        for _ in range(count):
            connection = socket.socket()
            held.append(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            connection.connect(("127.0.0.1", one.port))
            connection.sendall(request)
        for connection in held:
            if not connection.recv(16).startswith(b"HTTP/1.1 200"):
                raise Failed("a slow reader was not answered with 200")
        yield
    finally:
        for connection in held:
            connection.close()
