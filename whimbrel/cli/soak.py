"""`whimbrel soak`: does it keep its promises while things break?"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whimbrel.cli.options import Data

if TYPE_CHECKING:
    from whimbrel.local.soak import Order, Outcome, Soak
    from whimbrel.testing.soak.verdict import Verdict

_TICK_SECONDS = 0.5


def soak(
    seconds: Annotated[
        float, typer.Option(min=1, help="How long clients talk and things break.")
    ] = 60.0,
    users: Annotated[int, typer.Option(min=2, max=2_000, help="Users, 1 or 2 devices each.")] = 50,
    rate: Annotated[float, typer.Option(min=0.1, help="Messages a second in all.")] = 200.0,
    faults: Annotated[
        str,
        typer.Option(
            help="all, none, or some of: kill, stop, term (pods); redis-flush, redis-kill, "
            "mongo-kill, mongo-stepdown (stores); net-delay, net-cut, net-half-open; "
            "drain, rollout, kill-controller; clock; "
            "abandon, slow, deaf (clients)."
        ),
    ] = "all",
    seed: Annotated[int, typer.Option(help="Decides who says what, and which faults.")] = 7,
    mongo_members: Annotated[
        int, typer.Option(help="1 or 3; mongo-stepdown needs 3.", metavar="1|3")
    ] = 1,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="host:port of a running cluster (again for more); needs --secret-file."),
    ] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="What tokens of that cluster are signed with: a secret or private keys."),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Run nothing: judge this history (.jsonl, .jsonl.gz)."),
    ] = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let clients talk while processes are killed and networks fail, and count what broke.

    It starts a stack of its own (2 Access, 2 Logic, 1 Router, 1 Push), lets users talk over the
    real SDK, breaks things as the seed says, heals everything, waits for the stragglers, and
    judges what every client was told and given. Nothing may be lost, come twice, come out of
    order, or be missing in the stores. Exit status 1 when a promise was broken; the events that
    prove it are shown, and the history is kept. docs/operations/soak.md says how to read it.

    A quick look, then everything, then one fault alone:

        whimbrel soak --seconds 20 --faults none

        whimbrel soak --seconds 60 --users 50 --rate 200 --faults all --seed 7

        whimbrel soak --faults kill,redis-flush --json

    Against a cluster that runs already (there only the clients make trouble):

        whimbrel soak --endpoint im.example.org:443 --secret-file token.key

    Judge a history again:

        whimbrel soak --check history.jsonl.gz
    """
    if check is not None:
        _check(check, as_json=as_json)
        return
    from whimbrel.local.soak import Cluster, Order
    from whimbrel.runtime.token_keys import key_of
    from whimbrel.testing.soak.plan import SoakSpec

    cluster = None
    if endpoint:
        if secret_file is None:
            raise typer.BadParameter("--endpoint needs --secret-file, to sign the users' tokens")
        cluster = Cluster(tuple(endpoint), key_of(secret_file))
    if mongo_members not in (1, 3):
        raise typer.BadParameter("--mongo-members is 1 or 3")
    chosen = {one.strip() for one in faults.split(",") if one.strip()}
    order = Order(
        SoakSpec(seconds=seconds, users=users, rate=rate, seed=seed),
        frozenset(chosen - {"none"}),
        _folder(data, seed),
        mongo_members,
        cluster,
    )
    outcome = asyncio.run(_run(order))
    _show(outcome.verdict, outcome.history, outcome, as_json=as_json)


def _folder(data: Path | None, seed: int) -> Path:
    from whimbrel.local.state import default_data

    moment = time.strftime("%Y%m%d-%H%M%S")
    root = default_data() / "soak" / f"seed-{seed}-{moment}" if data is None else data
    return root.expanduser().absolute()


async def _run(order: Order) -> Outcome:
    from rich.console import Console

    from whimbrel.local.soak import Soak

    console = Console(stderr=True)
    with console.status("starting") as status:
        run = Soak(order, status.update)
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(run, began, status.update), name="progress line")
            try:
                return await run.run()
            finally:
                watching.cancel()


async def _watch(run: Soak, began: float, update: object) -> None:
    assert callable(update)
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        if run.phase == "starting":
            continue
        checker = run.recorder.checker
        faults = ", ".join(run.faults_now.values()) or "no fault"
        update(
            f"{time.monotonic() - began:5.0f} s  {run.phase}: {len(checker.sent)} accepted, "
            f"{checker.delivered} delivered, {checker.outstanding} due; {faults}"
        )


def _check(path: Path, *, as_json: bool) -> None:
    from whimbrel.cli.edge import CommandError
    from whimbrel.testing.soak.checker import check
    from whimbrel.testing.soak.events import HistoryError, read_history

    try:
        verdict = check(read_history(path))
    except (HistoryError, OSError) as error:
        raise CommandError(f"{path} cannot be judged: {error}") from None
    _show(verdict, path, None, as_json=as_json)


def _show(verdict: Verdict, history: Path, outcome: Outcome | None, *, as_json: bool) -> None:
    from whimbrel.testing.soak.report import explain

    if as_json:
        files: dict[str, object] = {"history": str(history)}
        if outcome is not None:
            files |= {"plot": str(outcome.plot), "unsaid": outcome.unsaid}
        violations = [violation._asdict() for violation in verdict.shown]
        typer.echo(json.dumps({**verdict.as_json(), **files, "violations": violations}))
    else:
        _table(verdict, history, outcome)
    for line in explain(verdict, history):
        typer.echo(line, err=True)
    if not verdict.holds:
        typer.echo(f"whimbrel: promises were broken; seed {verdict.seed}, {history}", err=True)
        raise typer.Exit(1)


def _table(verdict: Verdict, history: Path, outcome: Outcome | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from whimbrel.testing.soak.report import rows

    table = Table(title="soak", show_header=False)
    for what, value in rows(verdict):
        table.add_row(what, value)
    Console().print(table)
    typer.echo(f"history: {history}")
    if outcome is not None:
        typer.echo(f"picture: {outcome.plot}")
