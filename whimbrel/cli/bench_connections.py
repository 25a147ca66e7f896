"""`whimbrel bench connections`: streams that do nothing, plain and with TLS."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer


def connections(
    streams: Annotated[int, typer.Option(min=100, help="Streams that are measured.")] = 2_000,
    at_once: Annotated[int, typer.Option(min=1, help="Attaches under way at a time.")] = 64,
    tls: Annotated[bool, typer.Option("--tls", help="Everything speaks TLS.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """What an idle stream costs an Access pod in memory, and how fast streams attach.

    Exit status 1 when one was refused.

    Examples:

        whimbrel bench connections --json

        whimbrel bench connections --tls
    """
    from bench.connections import ConnectionsWorkload, run
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    workload = ConnectionsWorkload(streams=streams, at_once=at_once, tls=tls)
    if not as_json:
        typer.echo(f"a stack and {streams:,} streams …", err=True)
    try:
        figures = asyncio.run(run(workload))
    except (LoadFailedError, StackError) as error:
        typer.echo(f"whimbrel bench connections: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "connections", **asdict(figures)}))
    else:
        for key, value in asdict(figures).items():
            typer.echo(f"{key:32} {value}")
    if figures.refused:
        raise typer.Exit(1)
