"""Flame graphs: of the services and not of the stores, and a clear word where py-spy is missing or
may not look."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.flames import find_py_spy, recording
from bench.processes import LoadFailedError

PIDS = {"access-0": 11, "logic-0": 12, "mongod": 13, "redis": 14}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH, and no py-spy beside this Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    return folder


def write_program(folder: Path, script: str) -> None:
    """A program called py-spy: what is tested is how it is started, and what is made of its end."""
    program = folder / "py-spy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.usefixtures("path")
def test_without_py_spy_the_way_to_get_it_is_named() -> None:
    with pytest.raises(LoadFailedError, match="pip install py-spy"):
        find_py_spy()


async def test_each_service_has_a_flame_graph_and_the_stores_have_none(
    path: Path, tmp_path: Path
) -> None:
    write_program(path, 'while [ "$1" != --output ]; do shift; done; echo flames > "$2"')
    folder = tmp_path / "flames"
    await recording(lambda: PIDS, folder, "closed")(0.1)
    assert sorted(one.name for one in folder.iterdir()) == [
        "closed-access-0.svg",
        "closed-logic-0.svg",
    ]


async def test_a_py_spy_that_may_not_look_says_so(path: Path, tmp_path: Path) -> None:
    write_program(path, "echo 'Permission denied' >&2; exit 1")
    with pytest.raises(LoadFailedError, match="Permission denied"):
        await recording(lambda: PIDS, tmp_path / "flames", "closed")(0.1)


async def test_a_service_that_slept_all_the_time_has_no_flame_graph(
    path: Path, tmp_path: Path
) -> None:
    write_program(path, "echo 'Error: No stack counts found' >&2; exit 1")
    folder = tmp_path / "flames"
    await recording(lambda: PIDS, folder, "closed")(0.1)
    assert list(folder.iterdir()) == []
