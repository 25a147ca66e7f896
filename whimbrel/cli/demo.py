"""`whimbrel demo`: people talk while pods are killed and replaced, and use what is around the
stream and beyond it; what arrived is counted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from whimbrel.cli.demo_play import Play
    from whimbrel.cli.demo_rollout import Rollout
    from whimbrel.local.stack import Stack
    from whimbrel.testing.story.beyond import Beyond
    from whimbrel.testing.story.scenes import Say, Scenes
    from whimbrel.testing.story.story import Story

_TOKEN_SECONDS = 60.0
DEADLINE_SECONDS = 230.0


def demo() -> None:
    """Show that nothing is lost: killed pods, one person who was away, a rolling restart; and
    what there is around the stream and beyond it.

    Starts a stack of its own (2 Access, 2 Logic), in a temporary directory that is removed. In
    the first act three people exchange 300 messages while pods are killed, in the second every
    Access pod is replaced while 30 people talk, in the third people register, befriend, form a
    group of 50, pull over HTTP, read and recall. In the fourth, on a stack of its own, a picture
    is uploaded over a network that is cut, phones that are away are woken through a local APNs,
    Redis is flushed, and a host product rejects a message and hears of the others in order. The
    last lines count what the clients really saw; exit status 1 when anything was lost, doubled
    or out of order, or a scene of the last two acts did not come out.

    Example: whimbrel demo
    """
    from whimbrel.cli.demo_beyond import play_beyond
    from whimbrel.cli.demo_play import Play
    from whimbrel.cli.demo_rollout import Rollout
    from whimbrel.cli.edge import CommandError
    from whimbrel.local.stack import Stack, StackSpec
    from whimbrel.testing.story.scenes import StoryError

    began = time.monotonic()

    def say(line: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {line}")

    async def run() -> tuple[Play, Rollout, Story, Beyond]:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                async with Stack.start(StackSpec(access=2, logic=2), progress=say) as stack:
                    play = Play(stack, say)
                    await play.run()
                    rollout = Rollout()
                    await rollout.run(stack, say)
                    story = _story_on(stack, say)
                    await story.run()
                return play, rollout, story, await play_beyond(say)
        except TimeoutError:
            raise CommandError(
                f"the demo did not end within {DEADLINE_SECONDS:.0f} s: the machine is too busy, "
                "or something hangs"
            ) from None
        except StoryError as error:
            raise CommandError(f"the story did not come out: {error}") from error

    play, rollout, story, beyond = asyncio.run(run())
    _show(play)
    _show_rollout(rollout)
    _show_scenes("around the stream", story.scenes)
    _show_scenes("beyond the stream", beyond.scenes)
    verdict = play.history.verdict()
    typer.echo(f"killed pods: {verdict}")
    typer.echo(f"rolling restart: {rollout.verdict}")
    if verdict.violations or rollout.verdict.violations:
        raise typer.Exit(1)


def _story_on(stack: Stack, say: Say) -> Story:
    from whimbrel.runtime.tokens import sign_token
    from whimbrel.testing.story.story import Story

    key = stack.folder.signing_key()

    def admin_token() -> str:
        return sign_token(key, "operator", _TOKEN_SECONDS, now=time.time(), scope="admin")

    return Story(stack.gateway_url, stack.endpoints, admin_token, say)


def _show_scenes(title: str, scenes: Scenes) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title, "", "s")
    for name, outcome, seconds in scenes.rows:
        table.add_row(name, outcome, f"{seconds:.1f}")
    Console().print(table)


def _show_rollout(rollout: Rollout) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("rolling restart", f"{rollout.seconds:.0f} s")
    for name, value in rollout.rows():
        table.add_row(name, value)
    Console().print(table)


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
