"""A minute of atheris on each target: no bytes make anything fail that is not documented.

A crash is written into a folder and said with the command that shows it again. What it took is
then kept in tests/fuzz/corpus, where `make check` plays it without atheris.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.bytes.targets import CORPUS, TARGETS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 120),
    pytest.mark.skipif(
        find_spec("atheris") is None,
        reason="atheris is not installed: pip install --require-hashes -r"
        " requirements-fuzz-bytes.txt (make test-long does it where there is one)",
    ),
]


def _again(target: str, crashes: Path) -> str:
    """The command that plays what failed once more."""
    crash = next(iter(sorted(crashes.glob(f"{target}-*"))), None)
    return f"{sys.executable} -m tests.fuzz.bytes {target} {crash}"


@pytest.mark.parametrize("target", TARGETS)
async def test_no_bytes_do_harm(target: str, tmp_path: Path) -> None:
    found = tmp_path / "found"
    shutil.copytree(CORPUS / target, found)
    crashes = Path(os.environ.get("FUZZ_CRASHES", str(tmp_path)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fuzz.bytes",
        target,
        str(found),
        f"-max_total_time={SECONDS}",
        "-seed=1",
        "-max_len=4096",
        "-rss_limit_mb=1024",
        "-timeout=10",
        f"-artifact_prefix={crashes}/{target}-",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode(errors="replace")
    assert process.returncode == 0, f"{said[-6000:]}\nagain: {_again(target, crashes)}"
    assert "Done " in said, said[-2000:]
