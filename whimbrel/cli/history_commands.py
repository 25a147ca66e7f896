"""`whimbrel history`, `whimbrel unread`: what a user looks back at, asked of a Logic pod.

Logic trusts its caller, so these are an operator's commands on the stack that runs here; clients
of users go through the gateway.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from whimbrel.cli.logic_calls import ask_logic
from whimbrel.cli.options import Data, Json

if TYPE_CHECKING:
    from whimbrel.api.history.v1 import history_pb2, history_pb2_grpc
    from whimbrel.api.types.v1 import types_pb2

T = TypeVar("T")

REBUILD_PAGE = 20
_PAGE = 100

User = Annotated[str, typer.Option("--as", metavar="USER", help="Whose.")]


def history(
    conversation: Annotated[
        str, typer.Argument(metavar="CONVERSATION", help="A user, or the id of a conversation.")
    ],
    user: User,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many messages.")] = 20,
    before: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="The newest below this message_id.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(min=0, metavar="ID", help="The oldest above this message_id.")
    ] = None,
    around: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="This message_id in the middle.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show a conversation as one of its users has it, in the order of message_id.

    Examples:

        whimbrel history alice --as bob

        whimbrel history d:alice:bob --as bob --limit 100 --json
    """
    positions = {"before": before, "after": after, "around": around}
    chosen = {name: value for name, value in positions.items() if value is not None}
    if len(chosen) > 1:
        raise typer.BadParameter("give one of --before, --after and --around")
    asyncio.run(_history(conversation, user, limit, chosen, data, as_json=as_json))


def unread(
    user: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Whose counts to show.")
    ] = None,
    rebuild: Annotated[
        str | None,
        typer.Option(metavar="USER", help="Count again what this user has, from MongoDB."),
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Count again for every user who has a timeline.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show how much a user has to read, or count it again from MongoDB.

    Counts that were lost with Redis come back by themselves when somebody asks for them; this is
    for doing it at once.

    Examples:

        whimbrel unread --as bob

        whimbrel unread --rebuild bob

        whimbrel unread --all
    """
    if sum([user is not None, rebuild is not None, everybody]) != 1:
        raise typer.BadParameter("give one of --as USER, --rebuild USER and --all")
    if user is not None:
        asyncio.run(_unread(user, data, as_json=as_json))
    else:
        asyncio.run(_rebuild(rebuild, data, as_json=as_json))


async def _history(
    conversation: str,
    user: str,
    limit: int,
    position: dict[str, int],
    data: Any,
    *,
    as_json: bool,
) -> None:
    from whimbrel.api.history.v1 import history_pb2
    from whimbrel.core.names import direct_conversation

    name = conversation if ":" in conversation else direct_conversation(user, conversation)
    request = history_pb2.ReadHistoryRequest(
        caller_id=user, conversation_id=name, limit=limit, **position
    )
    page = await _ask(data, lambda stub: stub.ReadHistory, request)
    if as_json:
        rows = [entry_json(entry) for entry in page.entries]
        found = {"entries": rows, "has_older": page.has_older, "has_newer": page.has_newer}
        print(json.dumps(found, ensure_ascii=False))
        return
    for line in _lines(page.entries):
        print(line)
    if page.has_older and "after" not in position:
        print(f"older ones: --before {page.entries[0].message.message_id}")


async def _unread(user: str, data: Any, *, as_json: bool) -> None:
    conversations: list[history_pb2.Conversation] = []
    token = ""
    while True:
        page = await _page(data, user, token)
        conversations += page.conversations
        token = page.next_page_token
        if not token:
            break
    if as_json:
        rows = [
            {
                "conversation_id": one.conversation_id,
                "unread": one.unread,
                "undelivered": one.undelivered,
                "pinned": one.pinned,
                "muted": one.muted,
                "last": entry_json(one.last),
            }
            for one in conversations
        ]
        print(json.dumps({"total_unread": page.total_unread, "conversations": rows}))
        return
    for one in conversations:
        if one.unread or one.undelivered:
            print(f"{one.unread:>6}  {one.conversation_id}  ({one.undelivered} undelivered)")
    print(f"{page.total_unread:>6}  in all")


async def _page(data: Any, user: str, token: str) -> history_pb2.ListConversationsResponse:
    from whimbrel.api.history.v1 import history_pb2

    request = history_pb2.ListConversationsRequest(caller_id=user, limit=_PAGE, page_token=token)
    return await _ask(data, lambda stub: stub.ListConversations, request)


async def _rebuild(user: str | None, data: Any, *, as_json: bool) -> None:
    from whimbrel.api.history.v1 import history_pb2

    rebuilt, after = 0, ""
    while True:
        request = history_pb2.RebuildRequest(user_id=user or "", after=after, limit=REBUILD_PAGE)
        answer = await _ask(data, lambda stub: stub.Rebuild, request)
        rebuilt += answer.rebuilt
        after = answer.next_after
        if not after:
            break
    print(json.dumps({"rebuilt": rebuilt}) if as_json else f"counted again: {rebuilt} users")


async def _ask(
    data: Any,
    method: Callable[[history_pb2_grpc.HistoryServiceStub], Callable[..., Awaitable[T]]],
    request: object,
) -> T:
    from whimbrel.api.history.v1.history_pb2_grpc import HistoryServiceStub

    return await ask_logic(data, HistoryServiceStub, method, request)


def entry_json(entry: types_pb2.Entry) -> dict[str, Any]:
    """One entry; 64-bit numbers are strings. `text` is None for what is no text."""
    from whimbrel.api.types.v1 import types_pb2

    message = entry.message
    is_text = message.body.kind == types_pb2.BODY_KIND_TEXT
    return {
        "message_id": str(message.message_id),
        "seq": str(entry.seq),
        "conversation_id": message.conversation_id,
        "sender_id": message.sender_id,
        "text": message.body.content.decode("utf-8", errors="replace") if is_text else None,
        "sent_at_ms": str(message.sent_at_ms),
    }


def _lines(entries: Iterable[types_pb2.Entry]) -> Iterable[str]:
    from datetime import datetime

    for entry in entries:
        row = entry_json(entry)
        sent = datetime.fromtimestamp(entry.message.sent_at_ms / 1000).astimezone()
        text = row["text"]
        said = f"({len(entry.message.body.content)} bytes)" if text is None else text
        # A text may hold anything, also what would move a terminal's cursor.
        shown = "".join(one if one.isprintable() else " " for one in said)
        yield f"{sent:%Y-%m-%d %H:%M:%S}  {row['sender_id']}: {shown}"
