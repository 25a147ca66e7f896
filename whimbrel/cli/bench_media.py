"""`whimbrel bench media`: how fast do files go up and come down?"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer


def media(
    megabytes: Annotated[int, typer.Option(min=1, max=500, help="Size of the file.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Each way, each server.")] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """A large file through the gateway, against a plain copy over HTTP in the same run.

    The plain copy is a file written and sent by the gateway's own server library, with nothing
    else around it. memory_mb: what the gateway's process grew by.

    Example: whimbrel bench media --json
    """
    from bench.media import MediaWorkload, measure
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    try:
        figures = asyncio.run(measure(MediaWorkload(megabytes=megabytes, rounds=rounds)))
    except (LoadFailedError, StackError, RuntimeError, OSError) as error:
        typer.echo(f"whimbrel bench media: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "media", **figures.as_json()}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="bench media", show_header=False)
    for key, value in figures.as_json().items():
        table.add_row(key, str(value))
    Console().print(table)
