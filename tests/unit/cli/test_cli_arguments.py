"""The command line: what it refuses, and that its help teaches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whimbrel.cli.app import app

COMMANDS = ["up", "down", "status", "pods", "token", "drain", "drains", "scale"]
COMMANDS += ["send", "listen", "chat", "history", "unread", "demo"]
GROUP = ["create", "members", "show", "invite", "leave", "remove", "role", "mute", "dissolve"]


@pytest.fixture
def run(tmp_path: Path) -> CliRunner:
    """Runs commands against a data directory where nothing is."""
    return CliRunner(
        env={
            "WHIMBREL_DATA": str(tmp_path),
            "WHIMBREL_ENDPOINT": None,
            "WHIMBREL_TOKEN": None,
            "COLUMNS": "200",
        }
    )


def test_help_names_every_command_and_shows_a_first_session(run: CliRunner) -> None:
    result = run.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in [*COMMANDS, "group", "rollout", "bench"]:
        assert f" {command} " in result.output
    assert 'whimbrel send --as alice bob "hello"' in result.output


@pytest.mark.parametrize(
    "command", [*COMMANDS, *(f"group {command}" for command in GROUP), "rollout restart"]
)
def test_the_help_of_each_command_has_an_example(run: CliRunner, command: str) -> None:
    result = run.invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"whimbrel {command}" in result.output.partition("Example")[2]


def test_help_needs_nothing_but_the_base_package() -> None:
    program = (
        "import sys; import whimbrel.cli.app; "
        "print([name for name in ('grpc', 'google.protobuf', 'pymongo', 'redis', 'jwt', 'psutil',"
        " 'pydantic', 'whimbrel.runtime', 'whimbrel.client') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (["send", "bob", "hello"], "--as USER"),
        (["send", "--as", "alice", "bob"], "give a user and a text"),
        (["send", "--as", "alice", "bob", "a", "b"], "in quotes"),
        (["send", "--as", "alice", "--conversation", "g:1", "bob", "hello"], "the text alone"),
        (["send", "--as", "alice", "--endpoint", "host:1", "bob", "hello"], "give a --token"),
        (["listen"], "--as USER"),
        (["listen", "--as", "bob", "--count", "0"], "--count"),
        (["up", "--access", "0"], "--access"),
        (["up", "--port", "70000"], "--port"),
        (["chat", "--as", "alice"], "USER"),
        (["group", "create", "--as", "alice", "birds"], "USER"),
        (["group", "show", "g:1"], "--as"),
        (["group", "invite", "g:1", "--as", "alice"], "USER"),
        (["group", "role", "g:1", "bob", "owner", "--as", "alice"], "ROLE"),
        (["group", "mute", "g:1", "--for", "1y", "--as", "alice"], "no span of time"),
        (["group", "mute", "g:1", "--for", "1h", "--lift", "--as", "alice"], "give one of"),
        (["drain"], "POD"),
        (["drain", "access-0", "--deadline", "601"], "--deadline"),
        (["rollout", "restart"], "ROLE"),
        (["rollout", "restart", "access", "--surge", "0"], "--surge"),
        (["history", "alice"], "--as"),
        (["history", "alice", "--as", "bob", "--limit", "101"], "--limit"),
        (["history", "alice", "--as", "bob", "--before", "1", "--after", "1"], "give one of"),
        (["unread"], "give one of --as USER, --rebuild USER and --all"),
        (["unread", "--rebuild", "bob", "--all"], "give one of"),
        (["bench", "recents", "--conversations", "1", "--messages", "101"], "at most 100"),
        (["scale", "access"], "write ROLE=PODS, as in access=4"),
        (["scale", "access=four"], "write ROLE=PODS, as in access=4"),
        (["scale", "access=-1"], "write ROLE=PODS, as in access=4"),
        (["flap"], "flap"),
        (["status", "--flap"], "--flap"),
    ],
)
def test_a_wrong_command_line_is_refused_with_status_2(
    run: CliRunner, line: list[str], reason: str
) -> None:
    result = run.invoke(app, line)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "line",
    [
        ["status"],
        ["status", "--json"],
        ["pods"],
        ["send", "--as", "alice", "bob", "hello"],
        ["listen", "--as", "bob"],
        ["chat", "--as", "alice", "bob"],
        ["group", "members", "--as", "alice", "g:1"],
        ["group", "show", "--as", "alice", "g:1"],
        ["group", "dissolve", "--as", "alice", "g:1"],
        ["history", "alice", "--as", "bob"],
        ["unread", "--as", "bob"],
        ["unread", "--all"],
        ["drain", "access-0"],
        ["drain", "access-0", "--abort"],
        ["drains"],
        ["drains", "--watch"],
        ["rollout", "restart", "access"],
        ["scale", "access=4"],
    ],
)
def test_without_a_stack_the_way_to_start_one_is_named(run: CliRunner, line: list[str]) -> None:
    result = run.invoke(app, line)
    assert result.exit_code == 1
    assert "no stack is running in" in result.stderr
    assert "`whimbrel up`" in result.stderr
    assert result.stdout == ""


def test_down_without_a_stack_is_done_already(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["down"])
    assert result.exit_code == 0
    assert result.stdout == f"no stack is running in {tmp_path}\n"


def test_data_on_the_command_line_wins_over_the_environment(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["down", "--data", str(tmp_path / "other")])
    assert f"no stack is running in {tmp_path / 'other'}" in result.stdout


def test_a_token_without_a_key_says_who_makes_one(run: CliRunner) -> None:
    result = run.invoke(app, ["token", "alice"])
    assert result.exit_code == 1
    assert "`whimbrel up` makes one" in result.stderr


def test_a_foreign_cluster_that_does_not_answer_is_one_sentence(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whimbrel.cli.talk.ATTACH_SECONDS", 0.3)
    result = run.invoke(
        app, ["send", "--endpoint", "127.0.0.1:1", "--token", "a.b.c", "bob", "hello"]
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("whimbrel: cannot connect to 127.0.0.1:1 (")
    assert len(result.stderr.splitlines()) == 1
