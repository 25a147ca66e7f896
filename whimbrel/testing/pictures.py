"""Pictures to upload."""

from __future__ import annotations

import io

from PIL import Image


def picture(width: int = 800, height: int = 600, kind: str = "PNG") -> bytes:
    """A real one, of noise that does not compress away; sides in pixels."""
    image = Image.effect_noise((width, height), 64).convert("RGB")
    written = io.BytesIO()
    image.save(written, kind)
    return written.getvalue()
