"""The cases of the Autobahn test suite, by kosoku: through the gate they end as they do without.

What the server under test makes of a case is its own affair; the gate must add nothing and take
nothing away. The tool knows no credentials: a relay puts them in, in both runs."""

import asyncio
import logging
import threading

from kosoku import FailureError, run_fuzzingclient
from surroundings import ALICE, Gate, basic
from websockets.asyncio.server import serve

LIMIT = 64 << 20

# The server tells of every case that it refuses.
logging.getLogger("websockets").setLevel(logging.CRITICAL)


class Loop:
    """Servers on an event loop of their own."""

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def port(self, server):
        """Starts a server, and says at which port."""
        future = asyncio.run_coroutine_threadsafe(server, self.loop)
        return future.result(30).sockets[0].getsockname()[1]


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def echoing():
    return await serve(echo, "127.0.0.1", 0, max_size=LIMIT, ping_interval=None)


async def relaying(port, path):
    """A listener before a port that asks for another path, with Alice's credentials."""

    async def connection(reader, writer):
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        head = await reader.readuntil(b"\r\n")
        up_writer.write(f"GET {path} HTTP/1.1\r\nAuthorization: {basic(ALICE)}\r\n".encode())
        assert head.startswith(b"GET ")
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
        writer.close()
        up_writer.close()

    return await asyncio.start_server(connection, "127.0.0.1", 0, limit=1 << 20)


async def pump(reader, writer):
    """Bytes one way, and then the end of that way."""
    try:
        while piece := await reader.read(64 << 10):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


def run(context):
    # Compression (12, 13) is between the two ends, and a thousand messages a case. Messages of up
    # to 16 MiB (9) are for a full run.
    exclude = ["12.*", "13.*", *(["9.*"] if context.quick else [])]
    with Loop() as loop:
        server = loop.port(echoing())
        direct = cases(loop.port(relaying(server, "/ws/1")), exclude)
        with Gate(context.binary, f"http://127.0.0.1:{server}") as gate:
            through = cases(loop.port(relaying(gate.port, "/ws/1")), exclude)
            findings = gate.alive()
    findings += [
        f"case {case}: {direct.get(case)} direct, {through.get(case)} through the gate"
        for case in sorted(direct.keys() | through.keys())
        if direct.get(case) != through.get(case)
    ]
    good = sum(outcome[0] == "OK" for outcome in direct.values())
    if good < len(direct) / 2:
        findings.append(f"only {good} of {len(direct)} are well without a gate: {direct}")
    return f"{len(through)} cases, {good} of them OK both ways", findings


def cases(port, exclude):
    """What came of each case: of the messages, and of the close."""

    async def client():
        try:
            return await run_fuzzingclient(f"127.0.0.1:{port}", None, exclude, concurrency=4)
        except FailureError as failure:
            return failure.results

    results = asyncio.run(client())
    return {case.case_id: (case.behavior.value, case.behavior_close.value) for case in results}
