"""`whimbrel up`, `down`, `status`, `pods`, `token`: the stack on this machine."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from whimbrel.cli.options import Data, Json, folder_of
from whimbrel.cli.stack_view import status_json, status_table

if TYPE_CHECKING:
    from whimbrel.local.state import StackRecord


def up(
    access: Annotated[int, typer.Option(min=1, help="Access pods.")] = 1,
    access_processes: Annotated[
        int,
        typer.Option(
            min=1, max=32, help="Processes of each Access pod; they share its port for clients."
        ),
    ] = 1,
    logic: Annotated[int, typer.Option(min=1, help="Logic pods.")] = 1,
    router: Annotated[int, typer.Option(min=1, help="Router pods.")] = 1,
    push: Annotated[int, typer.Option(min=0, help="Push pods.")] = 1,
    gateway: Annotated[int, typer.Option(min=0, help="Gateway pods, which serve HTTP.")] = 1,
    drain: Annotated[
        int, typer.Option(min=0, help="Drain controllers: for drain, scale and rollout.")
    ] = 1,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port of access-0; the other Access pods follow. Default: a free one, "
            "the same as last time if possible.",
            show_default=False,
        ),
    ] = None,
    mongo_members: Annotated[
        int, typer.Option(help="Members of the MongoDB replica set: 1 or 3.")
    ] = 1,
    mongo_url: Annotated[
        str | None, typer.Option(help="Use this MongoDB replica set instead of starting one.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Use this Redis instead of starting one.")
    ] = None,
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            help="Speak TLS everywhere but to the stores, with an authority "
            "of the stack's own: tls/ca.pem in the data directory.",
        ),
    ] = False,
    data: Data = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Run a collector that keeps the last traces.")
    ] = False,
    otlp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send traces to this OTLP collector (gRPC) instead."),
    ] = None,
    trace_ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the messages that are traced.")
    ] = 1.0,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when all is healthy; `whimbrel down` ends it.")
    ] = False,
) -> None:
    """Start a whole Whimbrel on this machine: mongod, redis-server and every service.

    Messages stay in the data directory over restarts. Ctrl-C stops all of it.

    Examples:

        whimbrel up

        whimbrel up --access 2 --logic 2 --detach

        whimbrel up --tls
        whimbrel up --trace
    """
    from whimbrel.local.daemon import run_detached, run_until_signal
    from whimbrel.local.stack_spec import StackSpec

    spec = StackSpec(
        access=access,
        access_processes=access_processes,
        logic=logic,
        router=router,
        push=push,
        gateway=gateway,
        drain=drain,
        data=folder_of(data).path,
        mongo_members=mongo_members,
        mongo_url=mongo_url,
        redis_url=redis_url,
        first_port=port,
        tls=tls,
        trace=trace,
        otlp_url=otlp,
        trace_ratio=trace_ratio,
    )
    if detach:
        _show(run_detached(spec, _say))
        typer.echo("`whimbrel down` stops it.")
        return
    asyncio.run(run_until_signal(spec, _say, lambda record: _show(record, "Ctrl-C stops it.")))
    typer.echo("stopped")


def down(data: Data = None) -> None:
    """Stop the stack; returns when none of its processes is left.

    Example: whimbrel down
    """
    from whimbrel.local.daemon import stop_running

    folder = folder_of(data)
    ended = asyncio.run(stop_running(folder))
    if ended is None:
        typer.echo(f"no stack is running in {folder.path}")
    else:
        typer.echo(f"stopped, {ended} processes have ended, none is left")


def status(data: Data = None, as_json: Json = False) -> None:
    """Show every part of the stack: address, state, pid, log. Exit status 1 when none runs.

    Example: whimbrel status --json
    """
    record = folder_of(data).running()
    if as_json:
        typer.echo(json.dumps(status_json(record), indent=2))
    else:
        _show(record)


def pods(data: Data = None, as_json: Json = False) -> None:
    """List the pods that the Router knows, with what they do now.

    Example: whimbrel pods --json
    """
    from rich.console import Console
    from rich.table import Table

    from whimbrel.local.certificates import operator_dial
    from whimbrel.local.cluster import list_pods, pod_json

    folder = folder_of(data)
    addresses = folder.running().router_addresses
    found = asyncio.run(list_pods(addresses, dial=operator_dial(folder)))
    rows = [pod_json(pod) for pod in found]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    columns = ("pod", "role", "state", "address", "sessions", "revision")
    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


def token(
    user: Annotated[str, typer.Argument(help="The user whom the token names.")],
    ttl: Annotated[
        float, typer.Option(min=1, help="Seconds for which it holds.", metavar="SECONDS")
    ] = 24 * 3600.0,
    data: Data = None,
) -> None:
    """Print a token of a user, signed with the key of the stack.

    Example: WHIMBREL_TOKEN=$(whimbrel token alice) python my_client.py
    """
    from whimbrel.runtime.tokens import sign_token

    typer.echo(sign_token(folder_of(data).signing_key(), user, ttl, now=time.time()))


def _say(line: str) -> None:
    typer.echo(line)


def _show(record: StackRecord, last: str = "") -> None:
    from rich.console import Console

    # A log's path is worth more whole than in a pretty box.
    Console(soft_wrap=True).print(status_table(record))
    if last:
        typer.echo(last)
