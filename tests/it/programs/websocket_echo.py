"""A WebSocket echo server and its client.

websocket_echo.py server               prints its port and serves until it is killed
websocket_echo.py client URL AUTHORIZATION
                                  talks to it and prints what came of it
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

LIMIT = 32 * 1024 * 1024


async def echo(connection):
    sid = connection.request.headers["X-Auth-Sid"]
    assert "Authorization" not in connection.request.headers
    async for message in connection:
        if message == "close":
            await connection.close(1000)
            return
        if isinstance(message, str):
            message = f"{message} for {sid}"
        await connection.send(message)


async def run_server():
    async with serve(echo, "127.0.0.1", 0, max_size=LIMIT) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def talk(url, authorization):
    headers = {"Authorization": authorization}
    try:
        connection = await connect(
            url, additional_headers=headers, max_size=LIMIT, proxy=None
        )
    except InvalidStatus as error:
        print("refused:", error.response.status_code)
        return
    async with asyncio.timeout(30):
        await connection.send("zażółć")
        print("text:", await connection.recv())
        await connection.send(b"x" * 16_000_000)
        print("binary:", len(await connection.recv()))
        await (await connection.ping())
        print("ping: answered")
        await connection.send("close")
        try:
            await connection.recv()
        except ConnectionClosed as closed:
            print("closed:", closed.rcvd.code)


if sys.argv[1] == "server":
    asyncio.run(run_server())
else:
    asyncio.run(talk(sys.argv[2], sys.argv[3]))
