"""The words of the tus protocol 1.0 in headers: what they say, and what is wrong with them. Pure.

https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import base64
from typing import Final

from whimbrel.core.errors import invalid

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,termination,expiration"
CONTENT_TYPE: Final = "application/offset+octet-stream"
"""Of a body that goes on with an upload."""
MAX_METADATA: Final = 4096
"""Characters of Upload-Metadata."""


def parse_metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: pairs "key base64" separated by commas; a key alone has an empty value.
    Raises INVALID_ARGUMENT."""
    if len(header) > MAX_METADATA:
        raise invalid(f"Upload-Metadata has at most {MAX_METADATA} characters")
    said: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else ():
        key, _, encoded = pair.strip().partition(" ")
        if not key or key in said:
            raise invalid("Upload-Metadata has an empty key, or one twice")
        try:
            said[key] = base64.b64decode(encoded.strip(), validate=True).decode()
        except ValueError:  # no base64, not even ASCII, or no UTF-8 in it
            raise invalid(f"Upload-Metadata: {key} is not UTF-8 in base64") from None
    return said


def parse_size(name: str, header: str | None) -> int:
    """Upload-Length or Upload-Offset: a number of bytes. Raises INVALID_ARGUMENT."""
    if header is None:
        raise invalid(f"the header {name} is missing")
    if not (header.isascii() and header.isdecimal() and len(header) <= 15):
        raise invalid(f"{name} is not a number of bytes")
    return int(header)
