"""A WebSocket server and client, of the library `websockets`, told what to do by JSON lines.

    websocket.py PORT

The server echoes each message as it came; the text "close:CODE" makes it close with that code, and
"ping" makes it ping before it echoes.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

MIB = 1 << 20


async def echo(socket):
    async for message in socket:
        if isinstance(message, str) and message.startswith("close:"):
            return await socket.close(int(message[6:]), "as told")
        if message == "ping":
            await (await socket.ping(b"from the server"))
        await socket.send(message)
    return None


def client(port):
    return connect(f"ws://127.0.0.1:{port}/chat", max_size=4 * MIB, proxy=None)


async def messages(port):
    """Text, binary, empty and in fragments, each echoed."""
    async with client(port) as socket:
        for message in ("text ✓", bytes(range(256)), "", b"", "x" * 200, b"y" * 70_000):
            await socket.send(message)
            assert await socket.recv() == message, f"{message!r:.50} came back as another"
        await socket.send(["in ", "three ", "fragments"])
        assert await socket.recv() == "in three fragments"
        await socket.send([b"a" * 40_000, b"b" * 40_000])
        assert await socket.recv() == b"a" * 40_000 + b"b" * 40_000


async def pings(port):
    """Either side pings, and hears the other's pong."""
    async with client(port) as socket:
        for _ in range(3):
            await asyncio.wait_for(await socket.ping(), 10)
        await socket.send("ping")
        assert await socket.recv() == "ping"


async def closes(port):
    """Codes and reasons of the end arrive on the other side, whoever ends."""
    for code in (1000, 1001, 4001):
        async with client(port) as socket:
            await socket.send(f"close:{code}")
            try:
                await socket.recv()
            except ConnectionClosed as closed:
                assert (closed.rcvd.code, closed.rcvd.reason) == (code, "as told"), closed
    socket = await client(port)
    await socket.close(4002, "enough")
    assert socket.close_code == 4002, socket.close_code


async def large(port):
    async with client(port) as socket:
        for message in ("z" * MIB, bytes(MIB)):
            await socket.send(message)
            assert await socket.recv() == message, "1 MiB came back as another"


async def many(port):
    """50 at once, each with messages of its own."""

    async def one(number):
        async with client(port) as socket:
            for i in range(20):
                await socket.send(f"{number}/{i}")
            for i in range(20):
                assert await socket.recv() == f"{number}/{i}"

    await asyncio.gather(*(one(number) for number in range(50)))


OPERATIONS = {function.__name__: function for function in (messages, pings, closes, large, many)}


async def main():
    loop = asyncio.get_running_loop()
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=4 * MIB):
        print(json.dumps({"ready": {}}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            command = json.loads(line)
            answer = {"id": command["id"]}
            try:
                answer["result"] = await asyncio.wait_for(OPERATIONS[command["op"]](command["port"]), 30)
            except Exception as failure:  # whatever it is, it is the case's to judge
                answer["error"] = f"{type(failure).__name__}: {failure}"
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
