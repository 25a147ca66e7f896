"""`whimbrel bench`: how fast is it here, and what does a message cost?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whimbrel.cli.bench_abuse import abuse
from whimbrel.cli.bench_connections import connections
from whimbrel.cli.bench_fanout import fanout
from whimbrel.cli.bench_media import media
from whimbrel.cli.bench_push import push

if TYPE_CHECKING:
    from bench.figures import Figures
    from bench.recents import RecentsFigures
    from bench.run import Workload
    from whimbrel.local.parts import StackSpec

app = typer.Typer(
    no_args_is_help=True,
    help="Measure a cluster with real clients in processes of their own.\n\n"
    "Each command starts its own stack, or talks to --endpoint. CPU per message is only known "
    "for the stack that the command started itself.",
)

app.command()(connections)
app.command()(abuse)
app.command()(fanout)
app.command()(media)
app.command()(push)

Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Seconds = Annotated[float, typer.Option(help="Measured seconds, after a warm-up of 2.")]
Pairs = Annotated[int, typer.Option(help="Pairs of people, one sender and one receiver each.")]
Access = Annotated[int, typer.Option(help="Access pods of the stack.")]
Logic = Annotated[int, typer.Option(help="Logic pods of the stack.")]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(help="host:port of a running cluster (again for more); needs --secret-file."),
]
SecretFile = Annotated[
    str | None,
    typer.Option(help="What tokens of that cluster are signed with: a secret or private keys."),
]


@app.command()
def throughput(
    rate: Annotated[
        float | None,
        typer.Option(help="Messages a second in an open loop. Default: closed loop, the ceiling."),
    ] = None,
    seconds: Seconds = 10.0,
    pairs: Pairs = 100,
    in_flight: Annotated[int, typer.Option(help="Unanswered messages per sender.")] = 8,
    access: Access = 1,
    logic: Logic = 1,
    endpoint: Endpoint = None,
    secret_file: SecretFile = None,
    trace_ratio: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Trace this share of the messages, with a collector whose CPU is not counted. "
            "Default: nothing traces.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Direct messages of 100 bytes, sent, durable, delivered and acknowledged.

    Examples:

        whimbrel bench throughput --seconds 20 --json

        whimbrel bench throughput --rate 200 --trace-ratio 1
    """
    from bench.run import Workload

    workload = Workload(pairs=pairs, in_flight=in_flight, rate=rate, seconds=seconds)
    if endpoint and trace_ratio is not None:
        raise typer.BadParameter("--trace-ratio is for a stack of its own, not for --endpoint")
    spec = _stack(access, logic, trace_ratio)
    _measure("throughput", workload, spec, endpoint, secret_file, as_json)


@app.command()
def latency(
    rate: Annotated[float, typer.Option(help="Messages a second, in an open loop.")] = 200.0,
    seconds: Seconds = 10.0,
    pairs: Pairs = 100,
    access: Access = 1,
    logic: Logic = 1,
    endpoint: Endpoint = None,
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """From the call of send to the receiver's application, at a rate that leaves room.

    Example: whimbrel bench latency --rate 200 --json
    """
    from bench.run import Workload

    workload = Workload(pairs=pairs, rate=rate, seconds=seconds)
    _measure("latency", workload, _stack(access, logic), endpoint, secret_file, as_json)


@app.command()
def recents(
    conversations: Annotated[int, typer.Option(min=1, max=200)] = 100,
    messages: Annotated[
        int, typer.Option(min=1, help="Undelivered in all; at most 100 for each conversation.")
    ] = 1000,
    calls: Annotated[int, typer.Option(min=1, help="Measured, one after the other.")] = 100,
    as_json: Json = False,
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
        _show("recents", figures)


@app.command()
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
    as_json: Json = False,
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
            found[one] = asyncio.run(measure(one, load, lambda line: _say(line, False)))
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


def _measure(
    name: str,
    workload: Workload,
    spec: StackSpec,
    endpoints: list[str] | None,
    secret_file: str | None,
    as_json: bool,
) -> None:
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    try:
        if endpoints:
            figures = asyncio.run(_against(workload, endpoints, secret_file))
        else:
            figures = asyncio.run(_own_stack(workload, spec, quiet=as_json))
    except (LoadFailedError, StackError) as error:
        typer.echo(f"whimbrel bench {name}: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": name, **figures.as_json()}))
    else:
        _show(name, figures)
    if figures.lost or figures.duplicated:
        raise typer.Exit(1)


def _stack(access: int, logic: int, trace_ratio: float | None = None) -> StackSpec:
    from whimbrel.local.parts import StackSpec

    is_traced = trace_ratio is not None
    return StackSpec(
        access=access, logic=logic, gateway=0, trace=is_traced, trace_ratio=trace_ratio or 0.0
    )


async def _own_stack(workload: Workload, spec: StackSpec, *, quiet: bool) -> Figures:
    from bench.run import Target, run
    from whimbrel.local.stack import Stack

    _say("starting a stack …", quiet)
    async with Stack.start(spec) as stack:
        target = Target(stack.endpoints, stack.token, lambda: _servers(stack.server_pids()))
        # One short run first: indexes, connections and caches are those of a running system.
        _say("warming up …", quiet)
        await run(replace(workload, seconds=2.0), target, name="warm")
        _say(f"measuring for {workload.seconds:.0f} s …", quiet)
        return await run(workload, target)


def _servers(pids: dict[str, int]) -> dict[str, int]:
    """Without the collector, which stands for one that is elsewhere."""
    return {name: pid for name, pid in pids.items() if name != "collector"}


async def _against(workload: Workload, endpoints: list[str], secret_file: str | None) -> Figures:
    import time
    from pathlib import Path

    from bench.run import Target, run
    from whimbrel.runtime.token_keys import key_of
    from whimbrel.runtime.tokens import sign_token

    if secret_file is None:
        raise typer.BadParameter("--endpoint needs --secret-file, to sign the users' tokens")
    key = key_of(Path(secret_file))

    def token_of(user: str) -> str:
        return sign_token(key, user, 3600, now=time.time())

    return await run(workload, Target(endpoints, token_of, dict))


def _say(text: str, quiet: bool) -> None:
    if not quiet:
        typer.echo(text, err=True)


def _show(name: str, figures: Figures | RecentsFigures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"bench {name}", show_header=False)
    for key, value in figures.as_json().items():
        if isinstance(value, dict):
            for process, used in value.items():
                table.add_row(f"  core ms of {process}", str(used))
        else:
            table.add_row(key, str(value))
    Console().print(table)
