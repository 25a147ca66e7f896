"""What is fuzzed with bytes, by name. Each takes any bytes and raises nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.fuzz.bytes.bodies import fuzz_bodies
from tests.fuzz.bytes.credentials import fuzz_credentials
from tests.fuzz.bytes.frames import fuzz_frames
from tests.fuzz.bytes.links import fuzz_links

TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "frames": fuzz_frames,
    "links": fuzz_links,
    "bodies": fuzz_bodies,
    "credentials": fuzz_credentials,
}
CORPUS: Final = Path(__file__).resolve().parents[1] / "corpus"
"""A folder for each target: what `seeds` makes of real frames, and inputs that once failed."""
