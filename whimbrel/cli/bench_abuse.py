"""`whimbrel bench abuse`: what people notice while their pod is attacked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer


def abuse(
    clients: Annotated[int, typer.Option(min=2, help="Well-behaved clients, in pairs.")] = 50,
    rate: Annotated[float, typer.Option(min=1, help="Their messages a second in all.")] = 100.0,
    seconds: Annotated[float, typer.Option(min=1, help="Measured, in peace and again.")] = 15.0,
    connects: Annotated[
        int, typer.Option(min=0, help="Bare connects a second from 127.0.0.2.")
    ] = 1_000,
    silent: Annotated[
        int, typer.Option(min=0, help="Streams from 127.0.0.3 that never say Hello.")
    ] = 1_000,
    flood: Annotated[bool, typer.Option(help="One user sends as fast as it can.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """A flood of connects, silent streams and a flooding user at once: what do others notice?

    Starts its own stack, with the limits of a pod in a cluster. Exit status 1 when a message was
    lost or doubled, when attack_p99_ms is above twice quiet_p99_ms and above 50 ms, or when an
    attacker still came through after 2 s.

    Example: whimbrel bench abuse --json
    """
    from bench.abuse import AbuseWorkload, measure
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    workload = AbuseWorkload(clients, rate, seconds, connects, silent, flood)
    try:
        figures = asyncio.run(measure(workload, lambda line: typer.echo(line, err=True)))
    except (LoadFailedError, StackError) as error:
        typer.echo(f"whimbrel bench abuse: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "abuse", **asdict(figures)}))
    else:
        _show(asdict(figures))
    is_good = figures.is_within and figures.is_banned_in_time
    if figures.lost or figures.duplicated or not is_good:
        raise typer.Exit(1)


def _show(figures: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="bench abuse", show_header=False)
    for key, value in figures.items():
        table.add_row(key, str(value))
    Console().print(table)
