"""Compares two results of `whimbrel bench`, key by key. Pure.

Two figures differ when the ranges of their runs do not meet, or, where there was one run, when they
are more than a tenth apart. On another machine only the ratios can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

NOISE: Final = 0.10
_MORE_IS_BETTER: Final = ("per_second",)
_LESS_IS_BETTER: Final = ("_ms", "seconds", "per_message", "per_stream", "lost", "duplicated")
_NO_FIGURES: Final = ("machine", "bare", "skipped", "failed", "latency_ms_by_percent")


class Difference(NamedTuple):
    """One figure of both."""

    key: str
    before: float
    after: float
    verdict: str
    """same, better, worse, or differs where neither is better."""

    @property
    def change(self) -> float | None:
        """0.1 is a tenth more; None from nothing."""
        return round(self.after / self.before - 1, 4) if self.before else None


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Every figure that both have, in the order of the first."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return [
        Difference(key, old[key], new[key], _verdict(key, old, new))
        for key in old
        if key in new and not key.endswith(("_min", "_max"))
    ]


def is_same_machine(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether both were measured on the same kind of machine, as far as they say."""
    kept = ("processor", "cores")
    one, other = before.get("machine", {}), after.get("machine", {})
    return all(one.get(key) == other.get(key) for key in kept)


def _flat(found: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    for key, value in found.items():
        if key.startswith("bare_") or key in _NO_FIGURES:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{path}{key}", float(value)


def _verdict(key: str, old: Mapping[str, float], new: Mapping[str, float]) -> str:
    before, after = old[key], new[key]
    low, high = old.get(f"{key}_min"), old.get(f"{key}_max")
    lower, higher = new.get(f"{key}_min"), new.get(f"{key}_max")
    if low is not None and high is not None and lower is not None and higher is not None:
        is_same = lower <= high and low <= higher
    else:
        is_same = abs(after - before) <= NOISE * abs(before)
    if is_same:
        return "same"
    figure = key.removesuffix("_ratio")
    if figure.endswith(_MORE_IS_BETTER):
        return "better" if after > before else "worse"
    if figure.endswith(_LESS_IS_BETTER):
        return "better" if after < before else "worse"
    return "differs"
