"""`whimbrel bench recents`: what a device that was offline pulls at once."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from whimbrel.cli.bench_view import show_table


def recents(
    conversations: Annotated[int, typer.Option(min=1, max=200)] = 100,
    messages: Annotated[
        int, typer.Option(min=1, help="Undelivered in all; at most 100 for each conversation.")
    ] = 1000,
    calls: Annotated[int, typer.Option(min=1, help="Measured, one after the other.")] = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """What a device that was offline pulls at once: conversations, counts, messages.

    http: GET /v1/sessions/recent; the others are Logic alone. cached: the messages are in Redis,
    as they are for http. stored: they are read from MongoDB. rebuild: the first call
    after Redis was lost.

    Example: whimbrel bench recents --json
    """
    from bench.recents import RecentsWorkload, measure
    from whimbrel.local.errors import StackError

    if messages > 100 * conversations:
        raise typer.BadParameter("at most 100 messages for each conversation are pulled at once")
    workload = RecentsWorkload(conversations=conversations, messages=messages, calls=calls)
    try:
        figures = asyncio.run(measure(workload))
    except (StackError, TimeoutError) as error:
        typer.echo(f"whimbrel bench recents: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "recents", **figures.as_json()}))
    else:
        show_table("recents", figures.as_json())
