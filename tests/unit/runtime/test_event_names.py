"""Every line of a log begins with a name that can be searched for: constant, in snake_case, in the
past tense or a state that came about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((*(ROOT / "services").rglob("*.py"), *(ROOT / "whimbrel").rglob("*.py")))
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"log", "_log"}
IRREGULAR = {"begun", "broken", "fed", "forgotten", "given", "held", "known", "left", "lost"}
IRREGULAR |= {"found", "heard", "ran", "read", "said", "sent", "swept", "taken", "told", "woken"}
STATES = {"away", "back", "up", "down", "ready", "short", "with"}
"""What somebody or something is from then on: "link_up", "deadline_too_short"."""


def calls() -> Iterator[tuple[str, ast.expr]]:
    """Where a line is logged, and the expression of its event."""
    for path in FILES:
        if "api" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in LOGGERS
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0]


CALLS = list(calls())


def is_past(name: str) -> bool:
    words = name.split("_")
    return any(word.endswith(("ed", "able")) or word in IRREGULAR | STATES for word in words)


def test_there_are_lines_to_look_at() -> None:
    assert len(CALLS) > 100


@pytest.mark.parametrize(("where", "event"), CALLS, ids=[where for where, _ in CALLS])
def test_an_event_is_constant_snake_case_and_past(where: str, event: ast.expr) -> None:
    assert isinstance(event, ast.Constant), ast.unparse(event)
    assert isinstance(event.value, str)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", event.value)
    assert is_past(event.value), event.value


@pytest.mark.parametrize("name", ["link_error", "send_message", "drain_now"])
def test_what_is_no_past_is_told_apart(name: str) -> None:
    assert not is_past(name)
