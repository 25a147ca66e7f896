"""One Markdown page of a result of `whimbrel bench all`, with its pictures beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.goals import Verdict, judge
from bench.pictures import draw_costs, draw_latencies

_NOT_A_BENCH: Final = ("machine", "failed")
_REACHED: Final = {True: "yes", False: "**no**", None: "not measured"}


def write_report(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write report.md, latencies.{svg,png} and costs.{svg,png}; the paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, canvas in (("latencies", draw_latencies(found)), ("costs", draw_costs(found))):
        (folder / f"{name}.svg").write_text(canvas.svg())
        (folder / f"{name}.png").write_bytes(canvas.png())
        written += [folder / f"{name}.svg", folder / f"{name}.png"]
    page = folder / "report.md"
    page.write_text(render(found))
    return [page, *written]


def render(found: Mapping[str, Any]) -> str:
    """The page. Pure."""
    lines = ["# Benches", "", _machine(found.get("machine", {})), ""]
    lines += ["## Goals", "", "| figure | goal | measured | reached | |", "|---|---|---|---|---|"]
    lines += [_goal_row(verdict) for verdict in judge(found)]
    lines += ["", "![latencies](latencies.svg)", "", "![costs](costs.svg)", ""]
    top = {key: value for key, value in found.items() if not _is_bench(key, value)}
    lines += _section("throughput", top)
    for key, value in found.items():
        if _is_bench(key, value):
            lines += _section(key, value)
    for name, reason in found.get("failed", {}).items():
        lines.append(f"{name} failed: {reason}")
    if found.get("skipped"):
        lines.append(f"Skipped, as the time was over: {', '.join(found['skipped'])}.")
    return "\n".join(lines).rstrip() + "\n"


def _is_bench(key: str, value: Any) -> bool:
    """Whether this is a bench with figures of its own, and not a table within one."""
    return isinstance(value, Mapping) and key not in _NOT_A_BENCH and "_by_" not in key


def _machine(machine: Mapping[str, Any]) -> str:
    if not machine:
        return "The machine is not known."
    versions = ", ".join(f"{name} {one}" for name, one in machine["versions"].items() if one)
    return (
        f"Measured on {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}, "
        f"{versions}; load average at the end "
        f"{', '.join(map(str, machine['load_average']))}. Servers, stores and load share the cores."
    )


def _goal_row(verdict: Verdict) -> str:
    goal = verdict.goal
    sign = "≤" if goal.is_at_most else "≥"
    value = "" if verdict.value is None else f"{verdict.value:g}"
    reached = _REACHED[verdict.is_reached]
    return f"| `{goal.key}` | {sign} {goal.bound:g} | {value} | {reached} | {goal.meaning} |"


def _section(name: str, figures: Mapping[str, Any]) -> list[str]:
    head = [f"## {name}", "", "| figure | median | lowest | highest |", "|---|---|---|---|"]
    return [*head, *_rows(figures), ""]


def _rows(figures: Mapping[str, Any]) -> Iterator[str]:
    for key, value in figures.items():
        if isinstance(value, Mapping) and "_by_" in key and "percent" not in key:
            yield from (f"| {key}: {inner} | {one} | | |" for inner, one in value.items())
        elif isinstance(value, int | float) and not key.endswith(("_min", "_max")):
            low, high = figures.get(f"{key}_min", ""), figures.get(f"{key}_max", "")
            yield f"| {key} | {value} | {low} | {high} |"
