"""A picture of lines, boxes and words, written as SVG and as PNG from the same description."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont

Anchor = Literal["start", "middle", "end"]
_PNG_SCALE: Final = 2
_PNG_ANCHOR: Final = {"start": "ls", "middle": "ms", "end": "rs"}


@dataclass(frozen=True)
class _Line:
    points: tuple[tuple[float, float], ...]
    colour: str
    width: float


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True)
class _Words:
    x: float
    y: float
    text: str
    anchor: Anchor
    size: int


@dataclass
class Canvas:
    """Units are pixels of the SVG; y goes down, words stand on y."""

    width: int
    height: int
    _shapes: list[_Line | _Box | _Words] = field(default_factory=list)

    def line(self, *points: tuple[float, float], colour: str = "#888", width: float = 1.0) -> None:
        self._shapes.append(_Line(points, colour, width))

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self._shapes.append(_Box(x, y, width, height, colour))

    def words(
        self, x: float, y: float, text: str, anchor: Anchor = "start", size: int = 11
    ) -> None:
        self._shapes.append(_Words(x, y, text, anchor, size))

    def svg(self) -> str:
        """The text of an SVG file."""
        rows = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" font-family="sans-serif">',
            '<rect width="100%" height="100%" fill="white"/>',
            *(_as_svg(shape) for shape in self._shapes),
            "</svg>",
        ]
        return "\n".join(rows) + "\n"

    def png(self) -> bytes:
        """The bytes of a PNG file, twice as large."""
        image = Image.new("RGB", (self.width * _PNG_SCALE, self.height * _PNG_SCALE), "white")
        pen = ImageDraw.Draw(image)
        for shape in self._shapes:
            _draw(pen, shape)
        made = BytesIO()
        image.save(made, "PNG")
        return made.getvalue()


def _as_svg(shape: _Line | _Box | _Words) -> str:
    match shape:
        case _Line(points, colour, width):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            pen = f'fill="none" stroke="{colour}" stroke-width="{width:g}"'
            return f'<polyline points="{path}" {pen}/>'
        case _Box(x, y, width, height, colour):
            return (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'fill="{colour}"/>'
            )
        case _Words(x, y, text, anchor, size):
            return (
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
                f"{escape(text)}</text>"
            )


def _draw(pen: ImageDraw.ImageDraw, shape: _Line | _Box | _Words) -> None:
    scale = _PNG_SCALE
    match shape:
        case _Line(points, colour, width):
            scaled = [(x * scale, y * scale) for x, y in points]
            pen.line(scaled, fill=colour, width=max(1, round(width * scale)))
        case _Box(x, y, width, height, colour):
            corner = (x + width) * scale, (y + height) * scale
            pen.rectangle((x * scale, y * scale, *corner), fill=colour)
        case _Words(x, y, text, anchor, size):
            pen.text(
                (x * scale, y * scale),
                text,
                fill="black",
                font=ImageFont.load_default(size * scale),
                anchor=_PNG_ANCHOR[anchor],
            )
