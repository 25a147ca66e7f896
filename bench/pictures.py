"""The pictures of a result: how latencies are spread, and which process costs what. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from bench.canvas import Canvas

_COLOURS: Final = ("#00798c", "#d1495b", "#edae49", "#30638e", "#4f772d", "#7b5ea7", "#9c6644")
_LEFT, _TOP, _WIDTH, _HEIGHT = 80, 40, 700, 260
_DECADES: Final = (0, 4)
"""From 1 ms to 10 s."""
_NINES: Final = 4.0
"""To 99.99 %: each factor of ten in what is slower takes as much room."""
_BAR: Final = 26


def draw_latencies(found: Mapping[str, Any]) -> Canvas:
    """One curve for each run that has one, latency over percentile, both in powers of ten."""
    curves = {
        "closed loop": found.get("latency_ms_by_percent"),
        "open loop": found.get("open_loop_latency_ms_by_percent"),
        "at 200 a second": found.get("latency", {}).get("latency_ms_by_percent"),
    }
    there = {name: curve for name, curve in curves.items() if curve}
    canvas = Canvas(_LEFT + _WIDTH + 40, _TOP + _HEIGHT + 60)
    canvas.words(_LEFT, 22, "Delivered within, by percentile of the messages", size=14)
    for decade in range(_DECADES[0], _DECADES[1] + 1):
        y = _y(10.0**decade)
        canvas.line((_LEFT, y), (_LEFT + _WIDTH, y), colour="#ddd")
        canvas.words(_LEFT - 6, y + 4, _ms_label(10**decade), "end")
    for percent in ("0", "50", "90", "99", "99.9", "99.99"):
        x = _x(float(percent))
        canvas.line((x, _TOP + _HEIGHT), (x, _TOP + _HEIGHT + 5))
        canvas.words(x, _TOP + _HEIGHT + 18, f"{percent} %", "middle")
    for number, (name, curve) in enumerate(there.items()):
        colour = _COLOURS[number]
        points = [(_x(float(percent)), _y(ms)) for percent, ms in curve.items()]
        canvas.line(*points, colour=colour, width=2)
        x = _LEFT + 160 * number
        canvas.box(x, _TOP + _HEIGHT + 34, 10, 10, colour)
        canvas.words(x + 16, _TOP + _HEIGHT + 43, name)
    return canvas


def draw_costs(found: Mapping[str, Any]) -> Canvas:
    """Core-milliseconds of a message: a bar for each load, a colour for each process."""
    loads = {
        "closed loop": found.get("core_ms_by_process"),
        "open loop": found.get("open_loop_core_ms_by_process"),
        "at 200 a second": found.get("latency", {}).get("core_ms_by_process"),
    }
    there = {name: costs for name, costs in loads.items() if costs}
    processes = sorted({one for costs in there.values() for one in costs})
    whole = max((sum(costs.values()) for costs in there.values()), default=1.0) or 1.0
    canvas = Canvas(_LEFT + _WIDTH + 90, _TOP + (_BAR + 14) * max(1, len(there)) + 40)
    canvas.words(_LEFT, 22, "Core-milliseconds of one message, by process", size=14)
    for row, (name, costs) in enumerate(there.items()):
        y = _TOP + row * (_BAR + 14)
        canvas.words(_LEFT - 6, y + 17, name, "end", 10)
        x = float(_LEFT)
        for process, cost in sorted(costs.items()):
            width = _WIDTH * cost / whole
            canvas.box(x, y, width, _BAR, _COLOURS[processes.index(process) % len(_COLOURS)])
            x += width
        canvas.words(x + 6, y + 17, f"{sum(costs.values()):.3f}")
    for number, process in enumerate(processes):
        x = _LEFT + 90 * number
        canvas.box(x, canvas.height - 24, 10, 10, _COLOURS[number % len(_COLOURS)])
        canvas.words(x + 15, canvas.height - 15, process, size=10)
    return canvas


def _x(percent: float) -> float:
    slower = max(1 - percent / 100, 10**-_NINES)
    return _LEFT + _WIDTH * -math.log10(slower) / _NINES


def _y(ms: float) -> float:
    low, high = _DECADES
    decade = min(high, max(low, math.log10(ms) if ms > 0 else low))
    return _TOP + _HEIGHT * (high - decade) / (high - low)


def _ms_label(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms // 1000} s"
