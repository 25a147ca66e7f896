"""Runs one target under atheris, or one input again:

    python -m tests.fuzz.bytes TARGET [libFuzzer's options, folders] [FILE]

With a FILE and nothing else it needs no atheris: that is how a crash is looked at.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    """Never returns from a run of atheris: it exits by itself."""
    os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "upb")
    name, *rest = arguments
    if len(rest) == 1 and Path(rest[0]).is_file():
        from tests.fuzz.bytes.targets import TARGETS

        TARGETS[name](Path(rest[0]).read_bytes())
        sys.stdout.write(f"{name}: {rest[0]} does no harm\n")
        return
    atheris: Any = import_module("atheris")  # an extra of its own

    with atheris.instrument_imports(include=["services", "whimbrel", "tests.fuzz"]):
        from tests.fuzz.bytes.targets import TARGETS
    atheris.Setup([sys.argv[0], *rest], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
