"""Makes thumbnails by Pillow, in a thread of its own: one picture at a time.

A picture is announced by whoever uploads it, and may unfold to a thousand times its size: its
pixels are counted before any is decoded, and only formats that chats have are opened at all.
"""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from whimbrel.core.errors import ErrorCode, WhimbrelError

SIDE: Final = 320
"""Pixels of the longer side at most."""
THUMBNAIL_TYPE: Final = "image/webp"
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
_QUALITY: Final = 75


class PillowThumbnails:
    """`close` when it is not needed any more."""

    def __init__(self, *, max_pixels: int, max_waiting: int) -> None:
        self._max_pixels = max_pixels
        self._left = 1 + max_waiting
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="thumbnail")

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def make(self, content: bytes) -> bytes:
        """A WebP of at most 320 pixels a side. Raises NOT_FOUND for what is no picture, or one
        with too many pixels, OVERLOADED when too many wait."""
        if self._left <= 0:
            raise WhimbrelError(
                ErrorCode.OVERLOADED, "too many thumbnails at once", retry_after_seconds=1.0
            )
        self._left -= 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, self._make, content)
        # The place is free when the thread is, also when nobody waits for it any more.
        future.add_done_callback(self._give_back)
        return await asyncio.shield(future)

    def _make(self, content: bytes) -> bytes:
        # In this thread, when the first picture comes: many gateways never see one.
        from PIL import Image, ImageOps  # noqa: PLC0415

        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                # Of a JPEG, decode an eighth at once if that is enough: this is its size then.
                picture.draft("RGB", (2 * SIDE, 2 * SIDE))
                if picture.width * picture.height > self._max_pixels:
                    raise _none("the picture has too many pixels")
                small = ImageOps.exif_transpose(picture)
                small.thumbnail((SIDE, SIDE))
                has_alpha = "A" in small.mode or "transparency" in small.info
                written = io.BytesIO()
                small.convert("RGBA" if has_alpha else "RGB").save(
                    written, "WEBP", quality=_QUALITY
                )
                return written.getvalue()
        # Pillow's plugins raise what they like for a file that is no good (its own errors,
        # struct.error, KeyError …): whatever it is, there is no picture to show.
        except (OSError, ValueError, SyntaxError, LookupError, ArithmeticError) as error:
            raise _none("the content is no picture that can be shown") from error
        except (Image.DecompressionBombError, EOFError, MemoryError) as error:
            raise _none("the picture is too large") from error

    def _give_back(self, _: object) -> None:
        self._left += 1


def _none(why: str) -> WhimbrelError:
    return WhimbrelError(ErrorCode.NOT_FOUND, f"there is no thumbnail: {why}")
