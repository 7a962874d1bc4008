"""A WebSocket server and a client that tries everything:

websocket.py serve          says "listening PORT", and how each connection was closed
websocket.py try HOST:PORT  says "well" at its end
"""
import asyncio
import logging
import sys

import websockets

LARGE = 1024 * 1024
logging.disable(logging.CRITICAL)  # a check that connects and leaves is a failed handshake to it


def say(*words):
    print(*words, flush=True)


async def answer(ws):
    try:
        async for message in ws:
            if message == "close":
                await ws.close(4001, "as you wish")
            elif message == "ping":
                await (await ws.ping(b"from the server"))
                await ws.send("pong came")
            else:
                await ws.send(message)
    except websockets.ConnectionClosedError:
        pass
    say("closed", ws.close_code, ws.close_reason)


async def serve():
    server = await websockets.serve(answer, "127.0.0.1", 0, max_size=2 * LARGE)
    say("listening", server.sockets[0].getsockname()[1])
    await asyncio.Future()


def connect(address):
    return websockets.connect(f"ws://{address}/chat?room=1", max_size=2 * LARGE, open_timeout=10)


async def echoes(ws, message):
    await ws.send(message)
    echo = await ws.recv()
    assert type(echo) is type(message) and echo == message, (len(message), len(echo))


async def try_messages(address):
    async with connect(address) as ws:
        for message in "text", "\u00e4\u4e16\U0001f600", "", b"", bytes(range(256)):
            await echoes(ws, message)
        await echoes(ws, bytes(range(256)) * (LARGE // 256))
        await echoes(ws, "0123456789abcdef" * (LARGE // 16))
        await (await ws.ping(b"from the client"))
        await ws.send("ping")
        assert await ws.recv() == "pong came"
        await ws.close(4000, "that was all")
    assert ws.close_code == 4000, ws.close_code


async def try_close_of_server(address):
    async with connect(address) as ws:
        await ws.send("close")
        await ws.wait_closed()
        assert (ws.close_code, ws.close_reason) == (4001, "as you wish"), (ws.close_code, ws.close_reason)


async def try_many(address):
    connections = await asyncio.gather(*[connect(address) for _ in range(20)])
    for i, ws in enumerate(connections):
        await ws.send(f"number {i}")
    for i, ws in reversed(list(enumerate(connections))):
        assert await ws.recv() == f"number {i}"
    await asyncio.gather(*[ws.close() for ws in connections])


async def try_everything(address):
    await try_messages(address)
    await try_close_of_server(address)
    await try_many(address)
    say("well")


if sys.argv[1] == "serve":
    asyncio.run(serve())
else:
    asyncio.run(asyncio.wait_for(try_everything(sys.argv[2]), 14))
