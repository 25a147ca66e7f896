"""`whimbrel bench fanout`: one message into a large group."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.fanout import FanOutFigures, FanOutWorkload


def fanout(
    group_size: Annotated[
        int, typer.Option(min=2, max=1000, help="Members, the sender included.")
    ] = 1000,
    online: Annotated[int, typer.Option(min=1, help="Members beside the sender, connected.")] = 500,
    messages: Annotated[int, typer.Option(min=1, help="Messages that are measured.")] = 30,
    interval_seconds: Annotated[
        float, typer.Option(min=0, help="Between two of them; one at a time by default.")
    ] = 1.0,
    access: Annotated[int, typer.Option(min=1, help="Access pods of the stack.")] = 2,
    logic: Annotated[int, typer.Option(min=1, help="Logic pods of the stack.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """One message into a large group: until everybody who is online has it in the application.

    p50_ms and p99_ms are over messages, of the last member; each_p50_ms over single deliveries.
    Exit status 1 when anything was lost or doubled.

    Example: whimbrel bench fanout --json
    """
    from bench.fanout import FanOutWorkload
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    if online >= group_size:
        raise typer.BadParameter("--online must be below --group-size: the sender is a member too")
    workload = FanOutWorkload(group_size, online, messages, interval_seconds)
    try:
        figures = asyncio.run(_measure(workload, access, logic))
    except (LoadFailedError, StackError) as error:
        typer.echo(f"whimbrel bench fanout: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "fanout", **asdict(figures)}))
    else:
        _show(figures)
    if figures.lost or figures.duplicated:
        raise typer.Exit(1)


async def _measure(workload: FanOutWorkload, access: int, logic: int) -> FanOutFigures:
    from bench.fanout import run
    from bench.run import Target
    from whimbrel.local.stack import Stack, StackSpec

    async with Stack.start(StackSpec(access=access, logic=logic)) as stack:
        return await run(workload, Target(stack.endpoints, stack.token, stack.server_pids))


def _show(figures: FanOutFigures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="bench fanout", show_header=False)
    for key, value in asdict(figures).items():
        table.add_row(key, str(value))
    Console().print(table)
