"""`whimbrel demo`: three people talk while pods are killed, and what arrived is counted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from whimbrel.cli.demo_play import Play

DEADLINE_SECONDS = 170.0


def demo() -> None:
    """Show that nothing is lost: 300 messages, two killed pods, one person who was away.

    Starts a stack of its own (2 Access, 2 Logic), in a temporary directory that is removed.
    The last line counts what the three clients really saw; exit status 1 when it is not 0.

    Example: whimbrel demo
    """
    from whimbrel.cli.demo_play import Play
    from whimbrel.cli.edge import CommandError
    from whimbrel.local.stack import Stack, StackSpec

    began = time.monotonic()

    def say(line: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {line}")

    async def run() -> Play:
        try:
            async with (
                asyncio.timeout(DEADLINE_SECONDS),
                Stack.start(StackSpec(access=2, logic=2), progress=say) as stack,
            ):
                play = Play(stack, say)
                await play.run()
                return play
        except TimeoutError:
            raise CommandError(
                f"the demo did not end within {DEADLINE_SECONDS:.0f} s: the machine is too busy, "
                "or something hangs"
            ) from None

    play = asyncio.run(run())
    _show(play)
    verdict = play.history.verdict()
    typer.echo(str(verdict))
    if verdict.lost or verdict.duplicated or verdict.reordered:
        raise typer.Exit(1)


def _show(play: Play) -> None:
    from rich.console import Console
    from rich.table import Table

    from whimbrel.cli.demo_play import PEOPLE, client_of

    table = Table("", "sent", "accepted", "delivered", "reconnected")
    for person in PEOPLE:
        accepted = sum(sent.client == client_of(person) for sent in play.history.sent.values())
        table.add_row(
            person,
            str(play.sent[person]),
            str(accepted),
            f"{play.got(person)} of {play.expected(person)}",
            str(play.reconnects[person]),
        )
    Console().print(table)
