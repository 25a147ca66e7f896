"""`whimbrel bench drain`: what moves cost those who talk."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Annotated, Any

import typer


def drain(
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="drain, rollout, rollout_kill_controller, kill or scale_out; again for more."
        ),
    ] = None,
    sessions: Annotated[
        int | None,
        typer.Option(min=10, help="Clients, all connected. Default: 300 in rollouts, else 2,000."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1, help="Messages a second in all. Default: 200 in rollouts, else 50."),
    ] = None,
    round_trip_ms: Annotated[float, typer.Option(help="Between clients and pods.")] = 50.0,
    runs: Annotated[
        int | None,
        typer.Option(min=1, help="Of each scenario; latencies are pooled. Default: 3 of drain."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """Pods stop, are replaced, are killed and come, under live traffic: what do clients notice?

    The keys of the first scenario stand at the top of the JSON, each scenario under its name.
    Exit status 1 when anything was lost, doubled or out of order.

    Examples:

        whimbrel bench drain --scenario drain --json

        whimbrel bench drain --sessions 500
    """
    from bench.drain import SCENARIOS, measure
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    chosen = scenario or list(SCENARIOS)
    unknown = [one for one in chosen if one not in SCENARIOS]
    if unknown:
        raise typer.BadParameter(f"no scenario {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
    found: dict[str, dict[str, Any]] = {}
    try:
        for one in chosen:
            load = SCENARIOS[one].load(sessions, rate, round_trip_ms)
            times = runs or SCENARIOS[one].runs
            found[one] = asyncio.run(measure(one, load, times, partial(typer.echo, err=True)))
    except (LoadFailedError, StackError) as error:
        typer.echo(f"whimbrel bench drain: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": "drain", **found[chosen[0]], **found}))
    else:
        _show_scenarios(found)
    if any(one["lost"] or one["duplicated"] or one["reordered"] for one in found.values()):
        raise typer.Exit(1)


def _show_scenarios(found: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", *found, title="bench drain")
    for key in next(iter(found.values())):
        table.add_row(key, *(str(figures[key]) for figures in found.values()))
    Console().print(table)
