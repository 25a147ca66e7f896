"""`whimbrel audit`: are the timelines in MongoDB what was promised?"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from whimbrel.cli.options import Data, Json, folder_of

if TYPE_CHECKING:
    from services.logic.domain.audit import Finding
    from whimbrel.cli.audit_run import AuditOrder, AuditRun
    from whimbrel.runtime.settings import MongoSettings

_SAMPLE: Final = 100
_PAUSE_SECONDS: Final = 10.0
_SHOWN: Final = 50
_ADVICE: Final = {
    "hole": "readers fill it with a void when they come by; one that stays is a bug: keep the "
    "rows around it and the logs of Logic",
    "repeat": "an index is missing or broken: look at the unique indexes of `timelines`",
    "orphan": "a message was lost or removed by hand: look into backups",
    "stranger": "entry and message do not belong together: was something restored by halves?",
    "mismatch": "entry and message do not belong together: was something restored by halves?",
    "missing": "is a Logic running? It completes what a dead one left, and nothing older: the "
    "sender's resend completes that message",
    "unreadable": "a row was written by something else than Logic",
    "ahead": "entries were lost after they were acknowledged: was an old backup restored?",
}


def audit(
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="This user alone, from the first entry on.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, metavar="N", help="So many users, drawn at random."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every user, and every message.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again and again, until something is found.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="When to look again at what seems wrong; a clean-up may take 15 s.",
        ),
    ] = 20.0,
    mongo: Annotated[
        str | None,
        typer.Option(
            envvar="WHIMBREL_MONGO__URL",
            metavar="URL",
            help="mongodb:// URL. Default: the stack that runs here.",
            show_default=False,
        ),
    ] = None,
    database: Annotated[
        str, typer.Option(envvar="WHIMBREL_MONGO__DATABASE", help="Name of the database.")
    ] = "whimbrel",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare timelines, messages and cursors in MongoDB with each other, and say what is wrong.

    It only reads, and asks no pod, so it may run beside a busy system or without one. What seems
    wrong is looked at again after --settle: a commit under way is no finding. Without --user,
    --sample and --all it takes a sample of 100 users.

    Exit status 1 when something is wrong.

    Examples:

        whimbrel audit

        whimbrel audit --user bob

        whimbrel audit --all --json

        whimbrel audit --watch --mongo mongodb://mongo.example.org/?replicaSet=rs0
    """
    if sum([user is not None, sample is not None, everything]) > 1:
        raise typer.BadParameter("give one of --user, --sample and --all")
    from whimbrel.cli.audit_run import AuditOrder
    from whimbrel.runtime.settings import MongoSettings

    url = mongo or folder_of(data).running().mongo_url
    settings = MongoSettings(url=url, database=database, timeout_seconds=10.0)
    drawn = 0 if user or everything else sample or _SAMPLE
    run = asyncio.run(_run(settings, AuditOrder(user or "", drawn, settle), watch, as_json))
    if run.findings:
        raise typer.Exit(1)


async def _run(settings: MongoSettings, order: AuditOrder, watch: bool, as_json: bool) -> AuditRun:
    from whimbrel.cli.audit_run import audit as audit_once
    from whimbrel.runtime.stores import open_mongo

    async with open_mongo(settings) as opened:
        while True:
            run = await audit_once(opened, order, _say)
            if as_json:
                print(json.dumps(run_json(run)), flush=True)
            else:
                _show(run)
            if run.findings or not watch:
                return run
            await asyncio.sleep(_PAUSE_SECONDS)


def run_json(run: AuditRun) -> dict[str, Any]:
    """One round for programs; 64-bit numbers are strings."""
    return {
        "users": run.users,
        "entries": run.entries,
        "voids": run.voids,
        "late": run.late,
        "messages": run.messages,
        "findings": [
            {
                "wrong": one.wrong.value,
                "user_id": one.user,
                "seq": str(one.seq),
                "message_id": str(one.message_id),
                "conversation_id": one.conversation,
                "advice": _ADVICE[one.wrong.value],
            }
            for one in run.findings
        ],
    }


def _show(run: AuditRun) -> None:
    messages = f", {run.messages} messages" if run.messages else ""
    print(
        f"{run.users} users, {run.entries} entries ({run.voids} voids, {run.late} late){messages}: "
        + (f"{len(run.findings)} findings" if run.findings else "nothing wrong"),
        flush=True,
    )
    if run.findings:
        _table(run.findings)


def _table(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("wrong", "user", "seq", "message", "conversation"):
        table.add_column(column, overflow="fold")
    for one in findings[:_SHOWN]:
        shown = [str(number) if number else "" for number in (one.seq, one.message_id)]
        table.add_row(one.wrong.value, one.user, *shown, one.conversation)
    console = Console()
    console.print(table, markup=False)
    if len(findings) > _SHOWN:
        print(f"and {len(findings) - _SHOWN} more: --json has all")
    for kind in sorted({one.wrong.value for one in findings}):
        print(f"{kind}: {_ADVICE[kind]}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
