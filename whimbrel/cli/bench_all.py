"""`whimbrel bench all`: every figure in one run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer


def run_all(
    runs: Annotated[int, typer.Option(min=1, help="Of each figure that is a median.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="Measured, of each run.")] = 10.0,
    budget_minutes: Annotated[
        float, typer.Option(min=0.1, help="A bench that needs more than is left is skipped.")
    ] = 14.0,
    only: Annotated[
        list[str] | None, typer.Option(help="The name of one bench; again for more.")
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option(help="A tiny form on one stack, to see that it works; figures mean nothing."),
    ] = False,
    profile: Annotated[
        Path | None, typer.Option(help="Folder for flame graphs of the services; needs py-spy.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """Every bench with its bare limits, in at most 14 minutes.

    The keys of throughput stand at the top of the JSON, each other bench under its name. Exit
    status 1 when anything was lost, doubled or out of order, or a bench failed.

    Examples:

        whimbrel bench all --json > today.json

        whimbrel bench all --only throughput --only latency
    """
    from bench.processes import LoadFailedError
    from bench.registry import BENCHES
    from bench.suite import lost_in
    from whimbrel.cli.bench_view import show_table
    from whimbrel.local.errors import StackError

    names = [bench.name for bench in BENCHES]
    unknown = [one for one in only or () if one not in names]
    if unknown:
        raise typer.BadParameter(f"no bench {unknown[0]!r}; there are: {', '.join(names)}")
    try:
        found = asyncio.run(_run(set(only or names), smoke, runs, seconds, budget_minutes, profile))
    except (LoadFailedError, StackError, RuntimeError, TimeoutError) as error:
        typer.echo(f"whimbrel bench all: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "all", **found}))
    else:
        show_table("all", found)
    if lost_in(found) or found["failed"]:
        raise typer.Exit(1)


async def _run(
    names: set[str],
    smoke: bool,
    runs: int,
    seconds: float,
    budget_minutes: float,
    profile: Path | None,
) -> dict[str, Any]:
    from dataclasses import replace

    from bench.registry import BENCHES
    from bench.suite import measure_all, smoke_all
    from bench.terms import SMOKE, Terms

    def say(line: str) -> None:
        typer.echo(line, err=True)

    benches = [bench for bench in BENCHES if bench.name in names]
    if smoke:
        return await smoke_all(replace(SMOKE, say=say), benches)
    terms = Terms(runs=runs, seconds=seconds, profile=profile, say=say)
    return await measure_all(terms, benches=benches, budget_seconds=60 * budget_minutes)
