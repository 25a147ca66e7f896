"""Several runs of one bench become one result: medians, with the lowest and the highest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

COUNTED: Final = frozenset({"lost", "duplicated", "reordered", "late_starts", "messages"})
"""Keys that add up over the runs: one message lost in any of them is lost."""
_DIGITS: Final = 4


def medians(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One object with the keys of a run. Raises ValueError without a run.

    A figure (a float) becomes its median, with KEY_min and KEY_max beside it when there were
    several runs; what is counted adds up; nested figures become medians; anything else is that
    of the first run.
    """
    if not runs:
        raise ValueError("there is no median of no runs")
    made: dict[str, Any] = {}
    for key, first in runs[0].items():
        values = [run[key] for run in runs]
        if key in COUNTED:
            made[key] = sum(values)
        elif isinstance(first, float):
            made[key] = _median(values)
            if len(runs) > 1:
                made |= {f"{key}_min": min(values), f"{key}_max": max(values)}
        elif isinstance(first, dict):
            made[key] = {
                inner: _median([value[inner] for value in values if inner in value])
                for inner in first
            }
        else:
            made[key] = first
    return made | {"runs": len(runs)}


def ratio(value: float, limit: float) -> float:
    """How many times the bare limit; 0 where the limit was not measured."""
    return round(value / limit, _DIGITS) if limit else 0.0


def _median(values: Sequence[float]) -> float:
    return round(median(values), _DIGITS)
