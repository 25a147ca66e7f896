"""The `whimbrel` command: which commands there are, and the entry point.

Commands import what they need when they run, so that `whimbrel --help` is fast and works with
the base package alone.
"""

from __future__ import annotations

import typer

from whimbrel.cli import (
    bench,
    drain_commands,
    group_commands,
    history_commands,
    keys_commands,
    media_commands,
    push_commands,
    rollout_commands,
    stack_commands,
    talk_commands,
    trace_commands,
    user_commands,
    webhook_commands,
)
from whimbrel.cli.audit_command import audit
from whimbrel.cli.demo import demo
from whimbrel.cli.edge import EdgeGroup
from whimbrel.cli.soak import soak

app = typer.Typer(
    name="whimbrel",
    cls=EdgeGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Instant messaging whose connections migrate instead of dropping.

    Start a whole system on this machine and let two people talk:

        whimbrel up --detach

        whimbrel listen --as bob &

        whimbrel send --as alice bob "hello"

        whimbrel down

    `whimbrel COMMAND --help` has examples for each command.""",
)

_STACK = "The stack on this machine"
_MOVE = "Pods come and go"
_TALK = "A client in the terminal"
_PEOPLE = "Accounts"
_MEASURE = "See it work"

app.command(rich_help_panel=_STACK)(stack_commands.up)
app.command(rich_help_panel=_STACK)(stack_commands.down)
app.command(rich_help_panel=_STACK)(stack_commands.status)
app.command(rich_help_panel=_STACK)(stack_commands.pods)
app.command(rich_help_panel=_STACK)(stack_commands.token)
app.command(rich_help_panel=_MOVE)(drain_commands.drain)
app.command(rich_help_panel=_MOVE)(drain_commands.drains)
app.add_typer(rollout_commands.rollout, name="rollout", rich_help_panel=_MOVE)
app.command(rich_help_panel=_MOVE)(rollout_commands.scale)
app.command(rich_help_panel=_TALK)(talk_commands.send)
app.command(rich_help_panel=_TALK)(talk_commands.listen)
app.command(rich_help_panel=_TALK)(talk_commands.chat)
app.command(rich_help_panel=_TALK)(history_commands.history)
app.command(rich_help_panel=_TALK)(history_commands.unread)
app.command(rich_help_panel=_TALK)(media_commands.upload)
app.command(rich_help_panel=_TALK)(media_commands.download)
app.add_typer(group_commands.group, name="group", rich_help_panel=_TALK)
app.add_typer(user_commands.user, name="user", rich_help_panel=_PEOPLE)
app.add_typer(keys_commands.keys, name="keys", rich_help_panel=_PEOPLE)
app.add_typer(push_commands.push, name="push", rich_help_panel=_PEOPLE)
app.add_typer(webhook_commands.webhooks, name="webhooks", rich_help_panel=_PEOPLE)
app.command(rich_help_panel=_MEASURE)(demo)
app.command(rich_help_panel=_MEASURE)(soak)
app.command(rich_help_panel=_MEASURE)(audit)
app.command(rich_help_panel=_MEASURE)(trace_commands.trace)
app.add_typer(bench.app, name="bench", rich_help_panel=_MEASURE)


def main() -> None:
    """The entry point of the package."""
    app()


if __name__ == "__main__":
    main()
