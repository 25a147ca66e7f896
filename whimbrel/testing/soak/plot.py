"""A picture of a run: how long deliveries took, over time, with the faults marked on it. SVG.

Time goes to the right, latency goes up in powers of ten; for each slice of time there is a bar
from the median to the slowest delivery. Each kind of fault has a lane of its own below.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from whimbrel.testing.soak.timing import Timing

_WIDTH: Final = 1000
_LEFT: Final = 90
_TOP: Final = 40
_HEIGHT: Final = 280
_LANE: Final = 16
_SLICES: Final = 400
_DECADES: Final = (-3, 2)
"""From 1 ms to 100 s."""
_COLOURS: Final = (
    "#d1495b", "#edae49", "#00798c", "#30638e", "#7b5ea7", "#4f772d", "#9c6644", "#b5179e",
)  # fmt: skip

Span = tuple[str, str, float, float | None]


def draw(timing: Timing, title: str) -> str:
    """The picture, as the text of an SVG file."""
    begin, end = _extent(timing)
    faults = timing.faults
    kinds = sorted({kind for kind, *_ in faults})
    height = _TOP + _HEIGHT + 30 + _LANE * len(kinds) + 20
    total = _LEFT + _WIDTH + 20
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" '
        f'width="{total}" height="{height}" font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
        *_fault_marks(faults, kinds, begin, end),
        *_grid(begin, end),
        *_bars(timing, begin, end),
        "</svg>",
    ]
    return "\n".join(rows) + "\n"


def _extent(timing: Timing) -> tuple[float, float]:
    moments = [*timing.at[:1], *timing.at[-1:]]
    for _, _, start, stop in timing.faults:
        moments += [start, start if stop is None else stop]
    begin, end = min(moments, default=0.0), max(moments, default=1.0)
    return begin, max(end, begin + 1.0)


def _x(at: float, begin: float, end: float) -> float:
    return _LEFT + _WIDTH * (at - begin) / (end - begin)


def _y(seconds: float) -> float:
    low, high = _DECADES
    decade = min(high, max(low, math.log10(seconds) if seconds > 0 else low))
    return _TOP + _HEIGHT * (high - decade) / (high - low)


def _grid(begin: float, end: float) -> Iterable[str]:
    labels = {-3: "1 ms", -2: "10 ms", -1: "100 ms", 0: "1 s", 1: "10 s", 2: "100 s"}
    for decade, label in labels.items():
        y = _y(10.0**decade)
        yield f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    step = max(1, round((end - begin) / 10))
    for second in range(0, int(end - begin) + 1, step):
        x = _x(begin + second, begin, end)
        yield f'<path d="M{x:.1f} {_TOP + _HEIGHT}v5" stroke="#888"/>'
        yield f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 17}" text-anchor="middle">{second} s</text>'


def _bars(timing: Timing, begin: float, end: float) -> Iterable[str]:
    slices: dict[int, list[float]] = defaultdict(list)
    for at, latency in zip(timing.at, timing.latency, strict=True):
        number = int(_SLICES * (at - begin) / (end - begin))
        slices[min(_SLICES - 1, max(0, number))].append(latency)
    width = _WIDTH / _SLICES
    for number, latencies in sorted(slices.items()):
        latencies.sort()
        x = _LEFT + (number + 0.5) * width
        median, worst = _y(latencies[len(latencies) // 2]), _y(latencies[-1])
        yield (
            f'<path d="M{x:.1f} {median:.1f}V{worst:.1f}" stroke="#9ab" '
            f'stroke-width="{width * 0.6:.2f}"/>'
            f'<circle cx="{x:.1f}" cy="{median:.1f}" r="1.6" fill="#123"/>'
        )


def _fault_marks(
    faults: Sequence[Span], kinds: Sequence[str], begin: float, end: float
) -> Iterable[str]:
    for lane, kind in enumerate(kinds):
        y = _TOP + _HEIGHT + 30 + lane * _LANE
        yield f'<text x="{_LEFT - 6}" y="{y + 11}" text-anchor="end">{escape(kind)}</text>'
    for kind, target, start, stop in faults:
        lane = kinds.index(kind)
        colour = _COLOURS[lane % len(_COLOURS)]
        left = _x(start, begin, end)
        width = max(1.5, _x(end if stop is None else stop, begin, end) - left)
        y = _TOP + _HEIGHT + 30 + lane * _LANE
        told = escape(f"{kind} of {target}, at {start - begin:.1f} s")
        yield (
            f'<g fill="{colour}"><title>{told}</title>'
            f'<rect x="{left:.1f}" y="{_TOP}" width="{width:.1f}" height="{_HEIGHT}" '
            'opacity="0.10"/>'
            f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{_LANE - 4}"/></g>'
        )
