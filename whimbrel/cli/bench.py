"""`whimbrel bench`: how fast is it here, and what does a message cost?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whimbrel.cli.bench_abuse import abuse
from whimbrel.cli.bench_all import run_all
from whimbrel.cli.bench_bare import bare
from whimbrel.cli.bench_connections import connections
from whimbrel.cli.bench_drain import drain
from whimbrel.cli.bench_fanout import fanout
from whimbrel.cli.bench_media import media
from whimbrel.cli.bench_push import push
from whimbrel.cli.bench_recents import recents
from whimbrel.cli.bench_results import compare_results, report
from whimbrel.cli.bench_targets import on_cluster, on_own_stack, on_two_stacks, stack_of
from whimbrel.cli.bench_view import show_table

if TYPE_CHECKING:
    from bench.run import Workload
    from whimbrel.local.stack_spec import StackSpec

app = typer.Typer(
    no_args_is_help=True,
    help="Measure a cluster with real clients in processes of their own.\n\n"
    "Each command starts its own stack, or talks to --endpoint. CPU per message is only known "
    "for the stack that the command started itself.",
)

app.command("all")(run_all)
app.command()(abuse)
app.command()(bare)
app.command()(connections)
app.command()(drain)
app.command()(fanout)
app.command()(media)
app.command()(push)
app.command()(recents)
app.command("compare")(compare_results)
app.command()(report)

Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Seconds = Annotated[float, typer.Option(help="Measured seconds, after a warm-up of 2.")]
Pairs = Annotated[int, typer.Option(help="Pairs of people, one sender and one receiver each.")]
Access = Annotated[int, typer.Option(help="Access pods of the stack.")]
Logic = Annotated[int, typer.Option(help="Logic pods of the stack.")]
Runs = Annotated[
    int, typer.Option(min=1, help="Of each figure: its median, with the lowest and the highest.")
]
Profile = Annotated[
    Path | None,
    typer.Option(help="Write flame graphs of one more run into this folder; needs py-spy."),
]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(help="host:port of a running cluster (again for more); needs --secret-file."),
]
SecretFile = Annotated[str | None, typer.Option(help="File with the token secret of that cluster.")]


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
    runs: Runs = 1,
    profile: Profile = None,
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
    beside_untraced: Annotated[
        bool,
        typer.Option(
            help="With --trace-ratio: at the same time as a stack that does not trace; "
            "tracing_cost_ratio is what it takes of the messages a second."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Direct messages of 100 bytes, sent, durable, delivered and acknowledged.

    Beside the figures stand the bare limits of the same run (bare_…), and what part of them was
    reached (…_ratio). docs/performance.md says what each means.

    Examples:

        whimbrel bench throughput --seconds 20 --json

        whimbrel bench throughput --rate 200 --trace-ratio 1

        whimbrel bench throughput --trace-ratio 0.01 --beside-untraced --runs 14 --seconds 12 --json
    """
    from bench.run import Workload

    workload = Workload(pairs=pairs, in_flight=in_flight, rate=rate, seconds=seconds)
    if endpoint and trace_ratio is not None:
        raise typer.BadParameter("--trace-ratio is for a stack of its own, not for --endpoint")
    if beside_untraced and trace_ratio is None:
        raise typer.BadParameter("--beside-untraced needs --trace-ratio")
    spec = stack_of(access, logic, trace_ratio)
    if beside_untraced:
        _measure_cost(workload, spec, runs, as_json)
        return
    _measure("throughput", workload, spec, runs, profile, endpoint, secret_file, as_json)


@app.command()
def latency(
    rate: Annotated[float, typer.Option(help="Messages a second, in an open loop.")] = 200.0,
    seconds: Seconds = 10.0,
    pairs: Pairs = 100,
    access: Access = 1,
    logic: Logic = 1,
    runs: Runs = 1,
    profile: Profile = None,
    endpoint: Endpoint = None,
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """From the call of send to the receiver's application, at a rate that leaves room.

    Example: whimbrel bench latency --rate 200 --json
    """
    from bench.run import Workload

    workload = Workload(pairs=pairs, rate=rate, seconds=seconds)
    _measure(
        "latency", workload, stack_of(access, logic), runs, profile, endpoint, secret_file, as_json
    )


def _measure(
    name: str,
    workload: Workload,
    spec: StackSpec,
    runs: int,
    profile: Path | None,
    endpoints: list[str] | None,
    secret_file: str | None,
    as_json: bool,
) -> None:
    from bench.terms import Terms

    if endpoints and profile:
        raise typer.BadParameter("--profile is for a stack of its own, not for --endpoint")
    terms = Terms(runs=runs, seconds=workload.seconds, profile=profile, say=_say)
    if endpoints:
        _tell(name, on_cluster(workload, terms, endpoints, secret_file), as_json)
    else:
        _tell(name, on_own_stack(workload, terms, spec), as_json)


def _measure_cost(workload: Workload, spec: StackSpec, runs: int, as_json: bool) -> None:
    from bench.terms import Terms

    terms = Terms(runs=runs, seconds=workload.seconds, say=_say)
    _tell("throughput", on_two_stacks(workload, terms, spec), as_json)


def _tell(name: str, measuring: Coroutine[Any, Any, dict[str, Any]], as_json: bool) -> None:
    from bench.processes import LoadFailedError
    from whimbrel.local.errors import StackError

    try:
        found = asyncio.run(measuring)
    except (LoadFailedError, StackError) as error:
        typer.echo(f"whimbrel bench {name}: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"bench": name, **found}))
    else:
        show_table(name, found)
    if found["lost"] or found["duplicated"]:
        raise typer.Exit(1)


def _say(text: str) -> None:
    typer.echo(text, err=True)
