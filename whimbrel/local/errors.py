"""The one error of the embedded stack: a sentence for a person, with what to do about it."""

from __future__ import annotations

from pathlib import Path

_TAIL_BYTES = 64 * 1024


class StackError(Exception):
    """Something could not start or stop. `str(error)` is shown as it is, without a traceback."""


def make_folder(folder: Path) -> Path:
    """Create a folder and those above it; raises StackError when that is not permitted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"the folder {folder} cannot be created ({error.strerror}): "
            "name another one with --data, or change its permissions"
        ) from None
    return folder


def last_lines(log: Path, lines: int) -> list[str]:
    """The last lines of a log that are not empty; none when it cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented, to stand below a sentence; says so when there are none."""
    last = last_lines(log, lines)
    return "\n".join(f"  {line[:400]}" for line in last) or f"  ({log} is empty)"
