"""The publisher and the subscriber of pytrickle, unchanged, as filters, to be joined with trickle-pub and trickle-sub.

Usage: pytrickle_pipe.py publish URL <bytes        in segments of 16 KiB
       pytrickle_pipe.py subscribe URL >bytes      from number 0 to the end of the stream
       pytrickle_pipe.py pace <bytes >bytes        as fast as a live source: 16 KiB each 50 ms

pytrickle and aiohttp are to be on the module path; pace needs neither.
"""

import asyncio
import sys
import time

SEGMENT_BYTES = 16384
PERIOD = 0.05  # Seconds.


def pieces():
    while piece := sys.stdin.buffer.read(SEGMENT_BYTES):
        yield piece


async def publish(url):
    from pytrickle.publisher import TricklePublisher

    async with TricklePublisher(url, "application/octet-stream") as publisher:
        for piece in pieces():
            async with await publisher.next() as segment:
                for at in range(0, len(piece), 4096):
                    await segment.write(piece[at : at + 4096])
                    await asyncio.sleep(PERIOD / 4)
        await asyncio.sleep(0.5)  # It cancels what it has in flight when it closes.


async def subscribe(url):
    from pytrickle.subscriber import TrickleSubscriber

    async with TrickleSubscriber(url, start_seq=0) as subscriber:
        print("GET", url, file=sys.stderr, flush=True)
        while (segment := await subscriber.next()) is not None and not segment.eos():
            while piece := await segment.read():
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
            await segment.close()


def pace():
    for piece in pieces():
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        time.sleep(PERIOD)


if sys.argv[1] == "pace":
    pace()
else:
    asyncio.run({"publish": publish, "subscribe": subscribe}[sys.argv[1]](sys.argv[2]))
