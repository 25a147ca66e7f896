"""A program to be killed: sends from a device with a store on disk, and says what it does.

    python -m tests.e2e.mortal_client ENDPOINT TOKEN STORE send PREFIX COUNT AT_ONCE
    python -m tests.e2e.mortal_client ENDPOINT TOKEN STORE finish

`send` prints "attached", waits for a line, then prints "sending ID" before each send, "under way"
once something is on the stream without an answer, "receipt ID MESSAGE_ID" for each answer.
`finish` waits for the answers to what an earlier process has left in the store, prints their
receipts and "finished".
"""

from __future__ import annotations

import asyncio
import sys

from tests.waiting import until
from whimbrel.client import Client, SqliteStore, connect


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def send(im: Client, prefix: str, count: int, at_once: int) -> None:
    numbers = iter(range(count))
    say("attached")
    await asyncio.to_thread(sys.stdin.readline)

    async def worker() -> None:
        for number in numbers:
            identifier = f"{prefix}-{number}"
            say("sending", identifier)
            receipt = await im.send("bob", identifier, client_message_id=identifier)
            say("receipt", identifier, receipt.message_id)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(worker())
        await until(lambda: im.statistics().outbox.unanswered)
        say("under way")


async def finish(im: Client) -> None:
    for identifier in im.unanswered:
        receipt = await im.receipt(identifier)
        say("receipt", identifier, receipt.message_id)
    say("finished")


async def main(endpoint: str, token: str, store: str, what: str, *more: str) -> None:
    async with connect(endpoint, token, device="phone", store=SqliteStore(store)) as im:
        if what == "send":
            await send(im, more[0], int(more[1]), int(more[2]))
        else:
            await finish(im)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
