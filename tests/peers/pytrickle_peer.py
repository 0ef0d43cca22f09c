"""The publisher and the subscriber of pytrickle, unchanged, against a trickle server.

Usage: pytrickle_peer.py CHANNEL-URL, with pytrickle and aiohttp on the module path. Publishes 20 segments piece by
piece while a subscriber reads them, then starts over at 0 in the same channel as a publisher does that was killed;
fails where a byte differs.
"""

import asyncio
import logging
import sys

import aiohttp
from pytrickle.publisher import TricklePublisher
from pytrickle.subscriber import TrickleSubscriber

SILENCE_BEFORE_STARTING_OVER = 5.5  # Seconds; the relay believes a restart without Reset after 5.


def content(tag, segments):
    return [[f"{tag}{i}.{k} ".encode() * 500 for k in range(4)] for i in range(segments)]


async def publish(url, segments):
    async with TricklePublisher(url, "text/plain") as publisher:
        for pieces in segments:
            async with await publisher.next() as segment:
                for piece in pieces:
                    await segment.write(piece)
                    await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)  # It cancels what it has in flight when it closes.


async def subscribe(url):
    got = []
    async with TrickleSubscriber(url, start_seq=0) as subscriber:
        while True:
            segment = await subscriber.next()
            if segment is None or segment.eos():
                return [data for data in got if data]
            data = b""
            while piece := await segment.read():
                data += piece
            await segment.close()
            got.append(data)


async def ask(method, url):
    async with aiohttp.ClientSession() as session:
        async with session.request(method, url, headers={"Expect-Content": "text/plain"}) as answer:
            return answer.status


async def main(url):
    assert await ask("POST", url) == 200
    first = content("a", 20)
    reader = asyncio.create_task(subscribe(url))
    await publish(url, first)
    await asyncio.sleep(SILENCE_BEFORE_STARTING_OVER)
    second = content("b", 3)
    restarted = asyncio.create_task(publish(url, second))
    got = await asyncio.wait_for(reader, 60)  # The channel that began at 0 anew has ended for it.
    await restarted
    assert got == [b"".join(pieces) for pieces in first], "not what was published"
    async with aiohttp.ClientSession() as session:
        for number, pieces in enumerate(second):
            async with session.get(f"{url}/{number}") as answer:
                assert await answer.read() == b"".join(pieces), "not what was published after starting over"
    assert await ask("DELETE", url) == 200
    print("pytrickle: every byte of 23 segments")


logging.basicConfig(level=logging.CRITICAL)
asyncio.run(main(sys.argv[1]))
