"""`whimbrel push`: notifications that are sent by hand, and those that came to nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from whimbrel.cli.edge import EdgeGroup
from whimbrel.cli.options import Data, Json
from whimbrel.cli.pod_calls import ask_pod

if TYPE_CHECKING:
    from whimbrel.api.push.v1 import push_pb2, push_pb2_grpc

T = TypeVar("T")

_PAGE: Final = 500

push = typer.Typer(
    cls=EdgeGroup, no_args_is_help=True, help="Notifications: test, dead letters. Asks a push pod."
)


@push.command("test")
def send_test(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="Whose devices.")],
    device: Annotated[str, typer.Option(help="Only this one. Default: all.")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send a test notification to a user's devices, and show what each provider made of it.

    Nothing follows from it: no token is removed, nothing is tried again. Exit status 1 unless
    all of them were delivered.

    Example: whimbrel push test bob
    """
    from whimbrel.api.push.v1 import push_pb2

    request = push_pb2.TestPushRequest(user_id=user_id, device_id=device)
    tested = asyncio.run(_ask(data, lambda stub: stub.TestPush, request)).devices
    rows = [
        {
            "device_id": one.device_id,
            "provider": one.provider,
            "outcome": one.outcome,
            "reason": one.reason,
        }
        for one in tested
    ]
    if as_json:
        print(json.dumps({"devices": rows}))
    elif not rows:
        print(f"{user_id} has no device that can be woken")
    else:
        for row in rows:
            print("  ".join(str(value) for value in row.values() if value))
    if not rows or any(row["outcome"] != "delivered" for row in rows):
        raise typer.Exit(1)


@push.command()
def dead(
    limit: Annotated[int, typer.Option(min=1, max=_PAGE, help="At most so many.")] = 50,
    before: Annotated[str, typer.Option(metavar="ID", help="Those below this one.")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List notifications that came to nothing, the newest first.

    Example: whimbrel push dead --limit 10
    """
    answer = asyncio.run(_letters(data, before, limit))
    rows = [_row(one) for one in answer.letters]
    if as_json:
        print(json.dumps({"total": answer.total, "letters": rows}))
        return
    for row in rows:
        place = f"{row['user_id']}/{row['device_id']}  {row['conversation_id']}"
        print(f"{row['letter_id']}  {row['provider']}  {row['reason']}  {place}")
    print(f"{answer.total} in all")


@push.command()
def retry(
    letter_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As `push dead` lists them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    data: Data = None,
) -> None:
    """Have dead letters wait again for their devices, once what was wrong is right.

    Those that are acknowledged or read by now are not sent.

    Example: whimbrel push retry --all
    """
    if bool(letter_ids) == everything:
        raise typer.BadParameter("give ids, or --all")
    typer.echo(f"waiting again: {asyncio.run(_retry(data, letter_ids or []))}")


async def _retry(data: Path | None, letter_ids: list[str]) -> int:
    from whimbrel.api.push.v1 import push_pb2

    if letter_ids:
        pages = [letter_ids[start : start + _PAGE] for start in range(0, len(letter_ids), _PAGE)]
    else:
        pages, before = [], ""
        # All are listed before the first one waits again: what fails anew is a new letter.
        while found := (await _letters(data, before, _PAGE)).letters:
            pages.append([one.letter_id for one in found])
            before = found[-1].letter_id
    retried = 0
    for page in pages:
        request = push_pb2.RetryDeadLettersRequest(letter_ids=page)
        retried += (await _ask(data, lambda stub: stub.RetryDeadLetters, request)).retried
    return retried


async def _letters(data: Path | None, before: str, limit: int) -> push_pb2.ListDeadLettersResponse:
    from whimbrel.api.push.v1 import push_pb2

    request = push_pb2.ListDeadLettersRequest(before=before, limit=limit)
    return await _ask(data, lambda stub: stub.ListDeadLetters, request)


def _row(letter: push_pb2.DeadLetter) -> dict[str, Any]:
    """One letter; 64-bit numbers are strings."""
    return {
        "letter_id": letter.letter_id,
        "provider": letter.provider,
        "reason": letter.reason,
        "user_id": letter.user_id,
        "device_id": letter.device_id,
        "conversation_id": letter.conversation_id,
        "sender_id": letter.sender_id,
        "message_id": str(letter.message_id),
        "seq": str(letter.seq),
        "tries": letter.tries,
        "at_ms": str(letter.at_ms),
    }


async def _ask(
    data: Path | None,
    method: Callable[[push_pb2_grpc.PushServiceStub], Callable[..., Awaitable[T]]],
    request: object,
) -> T:
    from whimbrel.api.push.v1.push_pb2_grpc import PushServiceStub

    return await ask_pod("push", data, PushServiceStub, method, request)
