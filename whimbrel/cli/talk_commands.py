"""`whimbrel send`, `listen` and `chat`: a client in the terminal."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Annotated

import typer

from whimbrel.cli.options import As, Ca, Data, Endpoint, Json, Timeout, Token
from whimbrel.cli.talk import Access, access_of, connected, event_json, handled, shown

Device = Annotated[
    str, typer.Option(help="Name of this device. One device is attached once at a time.")
]


def send(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[USER] TEXT", help="To whom, and what. No USER with --conversation."
        ),
    ],
    as_user: As = None,
    conversation: Annotated[
        str | None, typer.Option(help="Send to this conversation instead of to a user.")
    ] = None,
    media_id: Annotated[
        str, typer.Option("--media", metavar="MEDIA_ID", help="A medium that the message shows.")
    ] = "",
    timeout: Timeout = 10.0,
    as_json: Json = False,
    device: Device = "cli-send",
    endpoint: Endpoint = None,
    ca: Ca = None,
    token: Token = None,
    data: Data = None,
) -> None:
    """Send a message; returns when it is durable.

    Examples:

        whimbrel send --as alice bob "hello"

        whimbrel send --as alice --conversation g:5f3a "hello all"
    """
    expected = 1 if conversation else 2
    if len(words) != expected:
        raise typer.BadParameter(
            "with --conversation give the text alone, in quotes"
            if conversation
            else 'give a user and a text in quotes: whimbrel send --as alice bob "hello"'
        )
    access = access_of(as_user, endpoint, token, data, ca)
    asyncio.run(_send(access, device, words, conversation, media_id, timeout, as_json=as_json))


async def _send(
    access: Access,
    device: str,
    words: list[str],
    conversation: str | None,
    media_id: str,
    timeout_seconds: float,
    *,
    as_json: bool,
) -> None:
    async with connected(access, device) as client:
        if conversation is None:
            receipt = await client.send(
                words[0], words[1], media_id=media_id, timeout_seconds=timeout_seconds
            )
        else:
            receipt = await client.send_to(
                conversation, words[0], media_id=media_id, timeout_seconds=timeout_seconds
            )
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "message_id": str(receipt.message_id),
                    "seq": str(receipt.seq),
                    "conversation_id": receipt.conversation_id,
                    "client_message_id": receipt.client_message_id,
                    "trace_id": receipt.trace_id,
                }
            )
        )
    else:
        typer.echo(f"stored as {receipt.message_id} in {receipt.conversation_id}")


def listen(
    as_user: As = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Return after so many messages.", show_default=False)
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option("--all", help="For a device that was never here: begin with the oldest."),
    ] = False,
    as_json: Json = False,
    device: Device = "cli-listen",
    endpoint: Endpoint = None,
    ca: Ca = None,
    token: Token = None,
    data: Data = None,
) -> None:
    """Print the messages of a user as they come, and those that came since the last time.

    The server keeps the place of each device, so nothing is missed while nobody listens. A
    device that was never here before starts now, or with --all at the very beginning.

    Examples:

        whimbrel listen --as bob

        whimbrel listen --as bob --count 1 --json
    """
    access = access_of(as_user, endpoint, token, data, ca)
    cursor = 0 if from_start else None
    asyncio.run(_listen(access, device, count, cursor, as_json=as_json))


async def _listen(
    access: Access, device: str, count: int | None, cursor: int | None, *, as_json: bool
) -> None:
    seen = 0
    async with connected(access, device, cursor) as client:
        if sys.stderr.isatty():
            typer.echo("listening, Ctrl-C ends it", err=True)
        events = client.events()
        async for event in events:
            # To the reader at once, also through a pipe.
            print(json.dumps(event_json(event)) if as_json else shown(event), flush=True)
            seen += 1
            if seen == count:
                await handled(events)
                return


def chat(
    peer: Annotated[str, typer.Argument(metavar="USER", help="With whom.")],
    as_user: As = None,
    device: Device = "cli-chat",
    endpoint: Endpoint = None,
    ca: Ca = None,
    token: Token = None,
    data: Data = None,
) -> None:
    """Talk to a user line by line: what you type is sent, what they say is printed.

    Ends with Ctrl-D, when everything is sent.

    Example: whimbrel chat --as alice bob
    """
    access = access_of(as_user, endpoint, token, data, ca)
    asyncio.run(_chat(access, device, peer))


async def _chat(access: Access, device: str, peer: str) -> None:
    async with connected(access, device) as client, asyncio.TaskGroup() as tasks:

        async def print_theirs() -> None:
            async for event in client.events():
                print(shown(event), flush=True)

        printing = tasks.create_task(print_theirs())
        lines = _typed_lines()
        while (line := await lines.get()) is not None:
            if line.strip():
                await client.send(peer, line)
        printing.cancel()


def _typed_lines() -> asyncio.Queue[str | None]:
    """Lines of stdin, then None. Read by a daemon thread: a terminal cannot be read without
    blocking, and a thread that waits for a key must not keep the program alive."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(16)

    def read() -> None:
        try:
            for line in sys.stdin:
                asyncio.run_coroutine_threadsafe(lines.put(line.rstrip("\n")), loop).result()
            asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()
        except RuntimeError:
            return  # the loop is gone: the chat has ended

    threading.Thread(target=read, daemon=True, name="stdin").start()
    return lines
