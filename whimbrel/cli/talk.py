"""What `send`, `listen` and `chat` share: whom they connect to, as whom, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import folder_of
from whimbrel.core.errors import ErrorCode, WhimbrelError

if TYPE_CHECKING:
    from whimbrel.client import Client, MessageEvent
    from whimbrel.runtime.token_keys import Key

ATTACH_SECONDS = 15.0
_SYSTEM = "system"
_TOKEN_SECONDS = 3600.0


@dataclass(frozen=True)
class Access:
    """Where to connect and as whom. The token is asked for again at each attempt."""

    endpoints: list[str]
    token: str | Callable[[], str]
    ca: str = ""
    """File of the authority to believe, "system" for those of the system; empty: no TLS."""


def access_of(
    user: str | None,
    endpoints: list[str] | None,
    token: str | None,
    data: Path | None,
    ca: str | None = None,
) -> Access:
    """What the options say, the running stack filling in what they leave out.

    Raises typer.BadParameter when nobody says who is talking.
    """
    if token is None and user is None:
        raise typer.BadParameter("say who you are with --as USER, or give a --token")
    if endpoints and token is None:
        raise typer.BadParameter(
            "--endpoint names a cluster whose key is not here: give a --token for it "
            "(or WHIMBREL_TOKEN)"
        )
    folder = folder_of(data)
    found = endpoints or folder.running().endpoints
    ca = ca or ("" if endpoints else folder.running().ca_file)
    if ca and ca != _SYSTEM and not Path(ca).is_file():
        raise typer.BadParameter(f'--ca must name a file, or "{_SYSTEM}", not {ca!r}')
    if token is not None:
        return Access(found, token, ca)
    assert user is not None
    return Access(found, _signer(folder.signing_key(), user), ca)


def _signer(key: Key, user: str) -> Callable[[], str]:
    import time

    from whimbrel.runtime.tokens import sign_token

    def sign() -> str:
        return sign_token(key, user, _TOKEN_SECONDS, now=time.time())

    sign()  # a name that cannot be signed is refused here, not at each attempt
    return sign


@asynccontextmanager
async def connected(
    access: Access, device: str, cursor: int | None = None
) -> AsyncIterator[Client]:
    """A client that is attached. It comes back by itself when the stream breaks later.

    Raises CommandError when no Access pod answers at first: a person waits here.
    """
    from whimbrel.client import Tls, connect

    tls = access.ca == _SYSTEM or (bool(access.ca) and Tls(ca_file=access.ca))

    client = connect(
        access.endpoints,
        access.token,
        device=device,
        cursor=cursor,
        timeout_seconds=ATTACH_SECONDS,
        tls=tls,
    )
    async with AsyncExitStack() as opened:
        try:
            await opened.enter_async_context(client)
        except WhimbrelError as error:
            if error.code is not ErrorCode.DEADLINE_EXCEEDED:
                raise
            raise CommandError(
                f"cannot connect to {', '.join(access.endpoints)} ({error.detail}): "
                "is the stack running? `whimbrel status` shows it"
            ) from None
        yield client


async def handled(events: AsyncIterator[MessageEvent]) -> None:
    """Say that the last event is done, before leaving: the SDK takes it for done when the next
    one is asked for. An event that comes at this moment is not lost, only not yet ours."""
    asking = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)  # lets it ask, not wait
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


def event_json(event: MessageEvent) -> dict[str, Any]:
    """One line of `listen --json`. 64-bit numbers are strings: JavaScript rounds others."""
    from whimbrel.core.outgoing import BodyKind

    is_text = event.kind is BodyKind.TEXT
    return {
        "seq": str(event.seq),
        "message_id": str(event.message_id),
        "conversation_id": event.conversation_id,
        "sender_id": event.sender_id,
        "sender_device_id": event.sender_device_id,
        "client_message_id": event.client_message_id,
        "text": event.text if is_text else None,
        "body_hex": None if is_text else event.body.hex(),
        "sent_at_ms": str(event.sent_at_ms),
        "late": event.late,
        "media_id": event.attributes.media_id or None,
    }


def shown(event: MessageEvent) -> str:
    """One line for a person."""
    from whimbrel.core.outgoing import BodyKind

    said = event.text if event.kind is BodyKind.TEXT else f"({len(event.body)} bytes)"
    where = f" in {event.conversation_id}" if event.conversation_id.startswith("g:") else ""
    late = " (late)" if event.late else ""
    media = f" [media {event.attributes.media_id}]" if event.attributes.media_id else ""
    return f"{event.sender_id}{where}{late}: {said}{media}"
