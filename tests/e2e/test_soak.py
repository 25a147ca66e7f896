"""`whimbrel soak` itself, as an operator runs it: everything at once, and the promises hold."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

EXTRA_SECONDS = 60.0


async def soak(folder: Path, *arguments: str, seconds: int) -> dict[str, Any]:
    """The JSON of a run; it fails with what the run said when a promise was broken."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "whimbrel.cli.app", "soak", "--json", "--seconds", str(seconds),
        "--data", str(folder), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    began = loop.time()
    said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-6_000:]
    assert loop.time() - began <= seconds + EXTRA_SECONDS + 5, "it always ends in time"
    figures: dict[str, Any] = json.loads(said)
    assert figures["holds"]
    return figures


def kept(figures: dict[str, Any]) -> bool:
    """Whether the files that the run names are there."""
    picture = Path(figures["plot"]).read_text()
    return Path(figures["history"]).exists() and picture.startswith("<svg")


@pytest.mark.timeout(150)
async def test_thirty_seconds_of_all_faults_break_no_promise(tmp_path: Path) -> None:
    figures = await soak(
        tmp_path / "soak", "--users", "30", "--rate", "100", "--seed", "11", seconds=30
    )
    assert kept(figures)
    assert figures["accepted"] > 500
    assert len(figures["faults"]) >= 3, "several kinds of faults"


@pytest.mark.slow
@pytest.mark.timeout(450)
@pytest.mark.parametrize(("seed", "members"), [(7, "1"), (8, "1"), (9, "3")])
async def test_five_minutes_of_all_faults_break_no_promise(
    seed: int, members: str, tmp_path: Path
) -> None:
    folder = tmp_path / "soak"
    figures = await soak(
        folder, "--rate", "200", "--seed", str(seed), "--mongo-members", members, seconds=300
    )
    assert figures["accepted"] > 30_000
    assert len(figures["faults"]) >= 8
    shutil.rmtree(folder)
