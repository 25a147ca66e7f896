"""A verdict for people: its rows, and its violations with the lines of the history that prove
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from whimbrel.testing.soak.events import read_lines
from whimbrel.testing.soak.verdict import HEADS_SECONDS, KINDS, Verdict

_LINE_CHARACTERS = 400


def rows(verdict: Verdict) -> list[tuple[str, str]]:
    """(what, how much), in the order in which they are read."""
    heads = verdict.seconds_to_heads
    return [
        ("sends invoked", str(verdict.invoked)),
        ("accepted", str(verdict.accepted)),
        ("refused", str(verdict.refused)),
        ("outcome unknown", str(verdict.unknown)),
        ("deliveries", str(verdict.delivered)),
        *((kind.replace("_", " "), str(verdict.counts[kind])) for kind in KINDS),
        ("latency p50, p99", f"{verdict.latency_p50_ms:.1f} ms, {verdict.latency_p99_ms:.1f} ms"),
        (
            "gap p50, p99, max",
            f"{verdict.gap_p50_ms:.1f} ms, {verdict.gap_p99_ms:.1f} ms, "
            f"{verdict.gap_max_ms:.0f} ms",
        ),
        ("all at their heads after", "never" if heads is None else f"{heads:.1f} s"),
        (
            "faults",
            ", ".join(f"{count} {kind}" for kind, count in verdict.faults.items()) or "none",
        ),
        ("seed", "unknown" if verdict.seed is None else str(verdict.seed)),
    ]


def explain(verdict: Verdict, history: Path | None) -> list[str]:
    """What is wrong, violation by violation, with the events that prove it; empty when nothing
    is."""
    told: list[str] = []
    wanted = {line for violation in verdict.shown for line in violation.lines}
    lines = {} if history is None else _pick(history, wanted)
    for violation in verdict.shown:
        told.append(f"{violation.kind.replace('_', ' ')}: {violation.text}")
        for number in violation.lines:
            told.append(f"    {number}: {lines.get(number, '')[:_LINE_CHARACTERS]}".rstrip())
    more = verdict.violations - len(verdict.shown)
    if verdict.shown and more > 0:
        told.append(f"and {more} more")
    if not verdict.is_complete:
        told.append("the history breaks off before the end of its run")
    if verdict.is_late and not verdict.lost:
        told.append(
            f"the devices reached their heads after {verdict.seconds_to_heads:.1f} s, "
            f"{HEADS_SECONDS:.0f} s are allowed"
        )
    return told


def _pick(history: Path, wanted: Iterable[int]) -> dict[int, str]:
    chosen = set(wanted)
    if not chosen:
        return {}
    return {
        number: line.rstrip()
        for number, line in enumerate(read_lines(history), start=1)
        if number in chosen
    }
