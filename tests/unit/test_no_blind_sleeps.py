"""No test waits for a time: a bound that is long enough today is too short on a busy machine, and
the same bound makes every run as slow as the slowest. `sleep(0)` gives others a turn, and may."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from whimbrel.testing.memory_cluster.virtual_time import let_pass

ROOT: Final = Path(__file__).resolve().parents[2]
WAITING: Final = "tests/waiting.py"
SLEEPING: Final = {"asyncio.sleep", "anyio.sleep", "time.sleep", "trio.sleep"}

SLEEPS: Final = {
    WAITING: "between two looks",
    "tests/component/drain/faulty_proxy.py": "the fault is a server that takes its time",
}
RHYTHMS: Final = {
    "tests/component/drain/controller_world.py": "a kubelet and the pods' heartbeats",
    "tests/component/drain/fake_pods.py": "the timer of a pod, and its pause before it dials again",
    "tests/component/drain/process_kubelet.py": "a kubelet polls",
    "tests/e2e/raw_http2.py": "headers that come slowly are the abuse",
    "tests/e2e/test_slow_readers.py": "the rate of a load",
}
"""Who may go round by `waiting.Every`, and what keeps that rhythm."""


def names_in(tree: ast.Module) -> dict[str, str]:
    """What each name that was imported stands for, with its module."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return names


def uses_in(source: str) -> Iterator[tuple[int, str]]:
    """The line and the full name of everything imported that is used, but for `sleep(0)`."""
    tree = ast.parse(source)
    names = names_in(tree)
    turns = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == 0
    }
    for node in ast.walk(tree):
        if id(node) in turns:
            continue
        if isinstance(node, ast.Name) and node.id in names:
            yield node.lineno, names[node.id]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = names.get(node.value.id, node.value.id)
            yield node.lineno, f"{module}.{node.attr}"


def sleeps_in(source: str) -> list[int]:
    if "sleep" not in source:  # to parse every file takes seconds
        return []
    return [line for line, name in uses_in(source) if name in SLEEPING]


def has_rhythm(source: str) -> bool:
    if "Every" not in source:
        return False
    return any(name in ("tests.waiting.Every", "waiting.Every") for _, name in uses_in(source))


SOURCES: Final = {
    str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("*.py")
}


def test_no_test_sleeps_but_for_the_named() -> None:
    found = {
        f"{path}:{line}"
        for path, source in SOURCES.items()
        if path not in SLEEPS
        for line in sleeps_in(source)
    }
    assert not found, "wait for a condition (tests/waiting.py), or pass simulated time"


def test_no_rhythm_is_kept_but_by_the_named() -> None:
    assert {path for path, source in SOURCES.items() if has_rhythm(source)} == set(RHYTHMS)


@pytest.mark.parametrize("path", SLEEPS)
def test_who_is_named_does_sleep(path: str) -> None:
    assert sleeps_in(SOURCES[path])


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nasyncio.sleep(0.1)",
        "import time as clock\nclock.sleep(1)",
        "from time import sleep as nap\nnap(seconds)",
        "import asyncio\nasyncio.sleep(pause)",
        "import asyncio\nafterwards(asyncio.sleep)",
        "import time\ntime.sleep(*given)",
    ],
)
def test_a_sleep_is_found_whatever_it_is_called(source: str) -> None:
    assert sleeps_in(source) == [2]


async def test_simulated_time_cannot_pass_where_time_is_real() -> None:
    with pytest.raises(TypeError, match="wait for a condition"):
        await let_pass(1)


@pytest.mark.parametrize(
    "source", ["import asyncio\nasyncio.sleep(0)", "world.sleep(1)", "from trio_world import sleep"]
)
def test_a_turn_for_others_and_a_world_of_its_own_are_no_sleeps(source: str) -> None:
    assert not sleeps_in(source)
