"""HTTP/2 frames by hand: whole sessions of a library with its checks off, and their bytes torn.

Each session begins as a client's does, with headers that smuggle something, with frames out of
order, or with bytes changed at random; the gate answers, ends the stream or the connection, and
goes on serving others."""

import random
import socket
from concurrent.futures import ThreadPoolExecutor

import h2.config
import h2.connection
import hpack
from hyperframe import frame as frames
from surroundings import ALICE, Gate, Probe, Recorder, basic

LATE = "late"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GOOD = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "gw"),
    (":path", "/v1/items/1"),
    ("authorization", basic(ALICE)),
]
NAMES = ["x", "X", "x y", "x:y", "", "host", "te", "connection", "transfer-encoding", "upgrade", "x-auth-sid"]
NAMES += ["content-length", ":path", ":method", ":authority", ":scheme", ":protocol", "x\r\ny", "x\0", "cookie"]
VALUES = ["", "a", "chunked", "a\r\nx-auth-sid: bob", "a\n", "a\0", "/admin", "evil", "5", "GET", "bob", " a ", "\xff"]
PATHS = ["/v1/items/1", "/v1/items/../admin", "/admin", "//v1/items", "*", "", "/v1/items/%2e%2e", "/v1/items/1#x"]


def run(context):
    seed = context.seed
    chance = random.Random(seed)
    sessions = 600 if context.quick else 12_000
    upstream = Recorder()
    findings = []
    with Gate(context.binary, upstream.url) as gate, Probe(gate) as probe:
        made = [(headers, ordered, torn)[number % 3](chance) for number in range(sessions)]
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(lambda session: outcome(gate, session), made))
        for number, status in enumerate(outcomes):
            if status == LATE:
                findings.append(f"no end within 20 s: session {number} of seed {seed}")
        answered = sum(isinstance(status, int) for status in outcomes)
        served = outcomes.count(200)
        probes = probe.asked
        findings += gate.alive()
        if gate.memory() > 256 << 20:
            findings.append(f"{gate.memory() >> 20} MiB are held")
    findings += upstream.findings + probe.findings
    if not served:
        findings.append("nothing was served: the sessions are of no use")
    # What a torn session asked for may have been allowed and its answer not read, so the count
    # is a bound; what was asked is held against the rules by the recorder.
    if len(upstream.requests) < served + probes - len(probe.findings):
        findings.append(f"{served} answers of 200, {len(upstream.requests)} requests upstream")
    upstream.close()
    return f"{sessions} sessions (seed {seed}), {answered} answered, {served} with 200", findings


def outcome(gate, session):
    """What came of a session: a status, nothing, or no end."""
    try:
        return exchange(gate, session)
    except TimeoutError:
        return LATE


def headers(chance):
    """A request by the library, with headers that no library would send."""
    config = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding=None
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    fields = list(GOOD)
    for _ in range(chance.randrange(0, 4)):
        odd = (chance.choice(NAMES), chance.choice(VALUES))
        fields.insert(chance.randrange(len(fields) + 1), odd)
    if chance.random() < 0.3:
        fields[chance.randrange(len(fields))] = (":path", chance.choice(PATHS))
    if chance.random() < 0.2:
        chance.shuffle(fields)
    connection.send_headers(1, [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields], end_stream=True)
    return connection.data_to_send()


def block(fields=GOOD):
    return hpack.Encoder().encode(fields)


def ordered(chance):
    """Frames that are sound one by one, in any order."""
    streams = [0, 1, 1, 1, 3, 2, 2**31 - 1]
    session = PREFACE + frames.SettingsFrame(0).serialize()
    for _ in range(chance.randrange(1, 12)):
        stream = chance.choice(streams)
        kind = chance.choice(KINDS)
        frame = kind(chance, stream)
        flags = chance.sample(["END_STREAM", "END_HEADERS", "PADDED", "ACK"], chance.randrange(3))
        # A flag that a kind does not know is set all the same, in its bytes.
        bits = {"END_STREAM": 1, "ACK": 1, "END_HEADERS": 4, "PADDED": 8}
        data = bytearray(frame)
        if chance.random() < 0.5:
            for flag in flags:
                data[4] |= bits[flag]
        data[5:9] = stream.to_bytes(4, "big")
        session += bytes(data)
    return session


KINDS = [
    lambda chance, stream: frames.HeadersFrame(1, block(), flags=["END_HEADERS", "END_STREAM"]).serialize(),
    lambda chance, stream: frames.HeadersFrame(1, block(), flags=["END_HEADERS"]).serialize(),
    lambda chance, stream: frames.HeadersFrame(1, block()[: chance.randrange(60)]).serialize(),
    lambda chance, stream: frames.ContinuationFrame(1, block(), flags=["END_HEADERS"]).serialize(),
    lambda chance, stream: frames.DataFrame(1, chance.randbytes(chance.randrange(2000))).serialize(),
    lambda chance, stream: frames.RstStreamFrame(1, chance.randrange(14)).serialize(),
    lambda chance, stream: frames.WindowUpdateFrame(1, chance.choice([1, 2**31 - 1])).serialize(),
    lambda chance, stream: frames.PingFrame(0, chance.randbytes(8)).serialize(),
    lambda chance, stream: frames.GoAwayFrame(0, 1, chance.randrange(14)).serialize(),
    lambda chance, stream: frames.PriorityFrame(1, depends_on=3, stream_weight=9).serialize(),
    lambda chance, stream: frames.PushPromiseFrame(1, 2, block(), flags=["END_HEADERS"]).serialize(),
    lambda chance, stream: frames.SettingsFrame(
        0, {chance.randrange(1, 9): chance.choice([0, 1, 16384, 2**31, 2**32 - 1])}
    ).serialize(),
    lambda chance, stream: b"\0\0\x04" + bytes([chance.randrange(10, 256)]) + b"\0" * 5 + b"\0" * 4,
]


def torn(chance):
    """A good session with bytes changed, doubled, or cut off."""
    session = bytearray(PREFACE + frames.SettingsFrame(0).serialize())
    for stream in (1, 3):
        frame = frames.HeadersFrame(stream, block(), flags=["END_HEADERS", "END_STREAM"])
        session += frame.serialize()
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(session))
        match chance.randrange(4):
            case 0:
                session[at] = chance.randrange(256)
            case 1:
                session[at:at] = chance.randbytes(chance.randrange(1, 12))
            case 2:
                del session[at : at + chance.randrange(1, 12)]
            case _:
                session[at] ^= 1 << chance.randrange(8)
    return bytes(session)


def exchange(gate, session):
    """Sends a session, and reads to its end; the status of stream 1, if any.

    Where all of it was sound the connection would go on: a PING behind it is answered then. Where
    its last frame is not whole, the gate waits, and is told that no more comes."""
    # The bytes behind the preface that are there to be read, and what they said.
    read, decoder, seen = b"", hpack.Decoder(), {"status": None, "ended": False, "ping": False}
    with socket.create_connection(("127.0.0.1", gate.port), timeout=0.5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.sendall(session + frames.PingFrame(0, b"the end!").serialize())
            while not (seen["ping"] and seen["ended"]):
                try:
                    data = connection.recv(64 << 10)
                except TimeoutError:
                    if connection.gettimeout() > 1:
                        raise
                    connection.settimeout(20)
                    connection.shutdown(socket.SHUT_WR)
                    continue
                if not data:
                    break
                read = parse(read + data, decoder, seen)
        except TimeoutError:
            raise
        except (OSError, hpack.exceptions.HPACKError):
            # The gate ended it with what was sent still unread.
            pass
    return seen["status"]


def parse(data, decoder, seen):
    """Reads whole frames of the gate's; gives what is left."""
    while len(data) >= 9 and len(data) >= 9 + (length := int.from_bytes(data[:3], "big")):
        kind, flags, stream = data[3], data[4], int.from_bytes(data[5:9], "big")
        payload, data = data[9 : 9 + length], data[9 + length :]
        if kind == 1:
            fields = dict(decoder.decode(payload))
            if stream == 1:
                seen["status"] = int(fields[":status"])
        if kind == 6 and flags & 1 and payload == b"the end!":
            seen["ping"] = True
        if stream == 1 and (kind == 3 or kind in (0, 1) and flags & 1):
            seen["ended"] = True
    return data
