"""`whimbrel bench bare`: what grpc.aio and MongoDB alone give on this machine."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.bare import BareLimits, BareWorkload


def bare(
    streams: Annotated[int, typer.Option(min=1, help="Busy at the same time.")] = 100,
    idle_streams: Annotated[
        int, typer.Option(min=1, help="Attached at the same time, for memory and rate.")
    ] = 1000,
    seconds: Annotated[float, typer.Option(min=0.1, help="For each figure.")] = 2.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """The bare limits: streams that echo bytes, and durable inserts, with nothing around them.

    The other benches divide their figures by these (the keys that end in _ratio), measured in the
    same run on the same machine.

    Example: whimbrel bench bare --json
    """
    from bench.bare import BareWorkload
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    workload = BareWorkload(streams=streams, idle_streams=idle_streams, seconds=seconds)
    try:
        limits = asyncio.run(_measure(workload))
    except (LoadFailedError, StackError) as error:
        typer.echo(f"whimbrel bench bare: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "bare", **asdict(limits)}))
    else:
        for key, value in asdict(limits).items():
            typer.echo(f"{key:30} {value}")


async def _measure(workload: BareWorkload) -> BareLimits:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from bench.bare import measure
    from whimbrel.local.mongod import running_mongod

    with TemporaryDirectory(prefix="whimbrel-bench-") as folder:
        async with running_mongod(Path(folder)) as mongod:
            return await measure(workload, mongod.url)
