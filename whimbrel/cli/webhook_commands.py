"""`whimbrel webhooks`: what the host product is asked and told, and what came to nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whimbrel.cli.edge import EdgeGroup
from whimbrel.cli.options import Data, Json
from whimbrel.cli.webhook_calls import (
    PAGE,
    ask_push,
    list_events,
    resend_events,
    show_pods,
    try_webhooks,
)
from whimbrel.cli.webhook_view import lines_of_show, lines_of_test

if TYPE_CHECKING:
    from whimbrel.api.push.v1 import webhooks_pb2

webhooks = typer.Typer(
    cls=EdgeGroup,
    no_args_is_help=True,
    help="The host product's backend: what it is asked and told. Asks Logic and push pods.",
)

Limit = Annotated[int, typer.Option(min=1, max=PAGE, help="At most so many.")]
After = Annotated[str, typer.Option(metavar="ID", help="Those above this one.")]


@webhooks.command()
def show(data: Data = None, as_json: Json = False) -> None:
    """Show what is configured and how it goes: breaker, what waits, dead letters, lag.

    Example: whimbrel webhooks show
    """
    shown = asyncio.run(show_pods(data))
    if as_json:
        print(json.dumps(shown))
        return
    print("\n".join(lines_of_show(shown)))


@webhooks.command("test")
def send_test(
    events_url: Annotated[
        str, typer.Option(metavar="URL", help="Tell this one. Default: the configured one.")
    ] = "",
    before_send_url: Annotated[
        str, typer.Option(metavar="URL", help="Ask this one. Default: the configured one.")
    ] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send one signed test event and one question before a send, and show what came back.

    The event has the type webhook.test; the question is about a message from whimbrel-test that
    nobody sent. Whatever is neither configured nor given is left out. Exit status 1 unless all
    that was tested works.

    Example: whimbrel webhooks test --events-url http://127.0.0.1:9000/events
    """
    tested = asyncio.run(try_webhooks(data, events_url, before_send_url))
    if as_json:
        print(json.dumps(tested))
    else:
        print("\n".join(lines_of_test(tested)))
    if not tested or any(one["outcome"] == "failed" for one in tested.values()):
        raise typer.Exit(1)


@webhooks.command()
def waiting(
    limit: Limit = 50,
    after: After = "",
    hurry: Annotated[
        bool, typer.Option("--now", help="Have those that wait for an attempt be tried now.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List events that wait for their delivery.

    Example: whimbrel webhooks waiting --now
    """
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    if hurry:
        hurried = asyncio.run(
            ask_push(data, lambda stub: stub.HurryEvents, pb.HurryEventsRequest())
        )
        typer.echo(f"conversations that are tried now: {hurried.hurried}", err=True)
    _list(data, pb.EVENT_STATE_WAITING, after, limit, as_json=as_json)


@webhooks.command()
def dead(limit: Limit = 50, after: After = "", data: Data = None, as_json: Json = False) -> None:
    """List events that were never taken and are tried no more.

    Example: whimbrel webhooks dead --limit 10
    """
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    _list(data, pb.EVENT_STATE_DEAD, after, limit, as_json=as_json)


@webhooks.command()
def resend(
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As `webhooks dead` lists them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Have dead letters wait again, once the backend is well.

    Each is tried at least once; one that fails is a dead letter again.

    Example: whimbrel webhooks resend --all
    """
    if bool(event_ids) == everything:
        raise typer.BadParameter("give ids, or --all")
    resent = asyncio.run(resend_events(data, event_ids or []))
    print(json.dumps({"resent": resent}) if as_json else f"waiting again: {resent}")


def _list(
    data: Path | None,
    state: webhooks_pb2.EventState.ValueType,
    after: str,
    limit: int,
    *,
    as_json: bool,
) -> None:
    events = asyncio.run(list_events(data, state, after, limit))
    rows = [
        {
            "event_id": one.event_id,
            "key": one.key,
            "at_ms": str(one.at_ms),
            "attempts": one.attempts,
            "due_ms": str(one.due_ms),
        }
        for one in events
    ]
    if as_json:
        print(json.dumps({"events": rows}))
        return
    for row in rows:
        failed = f"  failed {row['attempts']} times" if row["attempts"] else ""
        print(f"{row['event_id']}  {row['key']}{failed}")
    if len(rows) == limit:
        print(f"more: --after {rows[-1]['event_id']}")
    elif not rows:
        print("none")
