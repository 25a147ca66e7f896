"""`whimbrel bench push`: push jobs through the queue to a provider on this machine."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer


def push(
    jobs: Annotated[int, typer.Option(min=1, help="Each for another user.")] = 10_000,
    acknowledged: Annotated[
        int, typer.Option(min=0, help="Users who acknowledge in time and are not to be woken.")
    ] = 500,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """Push jobs a second, from Logic's stream to an APNs over HTTP/2, through one push pod.

    Exit status 1 when anybody was not woken, or was woken needlessly.

    Example: whimbrel bench push --json
    """
    from bench.processes import LoadFailedError
    from bench.push import PushWorkload, run
    from whimbrel.local.errors import StackError

    if acknowledged > jobs:
        raise typer.BadParameter("--acknowledged cannot be above --jobs")
    try:
        figures = asyncio.run(run(PushWorkload(jobs, acknowledged)))
    except (LoadFailedError, StackError, TimeoutError) as error:
        typer.echo(f"whimbrel bench push: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "push", **figures.as_json()}))
    else:
        for key, value in figures.as_json().items():
            typer.echo(f"{key:24} {value}")
    if figures.lost or figures.needless:
        raise typer.Exit(1)
