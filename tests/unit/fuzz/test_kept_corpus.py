"""What the byte fuzzers begin with, and what once failed under them, does no harm. No atheris."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.bytes.records import join, split
from tests.fuzz.bytes.targets import CORPUS, TARGETS

KEPT = [(target, path) for target in TARGETS for path in sorted((CORPUS / target).iterdir())]


@pytest.mark.parametrize(
    ("target", "path"), KEPT, ids=[f"{target}-{path.name}" for target, path in KEPT]
)
def test_kept_bytes_do_no_harm(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_and_few_bytes_do_no_harm(target: str) -> None:
    for data in (b"", b"\x00", b"\xff" * 3, bytes(300), b"\xff" * 300):
        TARGETS[target](data)


def test_records_come_apart_as_they_were_put_together() -> None:
    records = [(0, b""), (255, b"x" * 1000), (7, b"\x00\x01")]
    assert list(split(join(records))) == records
    assert list(split(join(records)[:-1]))[-1] == (7, b"\x00")
