"""What the gateway knows of a medium: a file that a user has uploaded. Pure.

What it is called and what it is said to be come from whoever uploads; what it is, its bytes say.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from whimbrel.core.errors import invalid

MAX_NAME_BYTES: Final = 255
"""Of a name in UTF-8, as file systems have it."""
UNKNOWN_TYPE: Final = "application/octet-stream"
HEAD_BYTES: Final = 4096
"""From the beginning of a medium, by which its type is found."""

_UNNAMED: Final = "file"
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+\-]{0,63}/[a-z0-9][a-z0-9.+\-]{0,63}", re.ASCII)
_SHOWN_AS_SUCH: Final = ("image", "audio", "video")
# A container may hold voice or a film, and its first bytes do not say which.
_PLAYED: Final = ("audio", "video")
_CONTAINERS: Final = ("application/ogg", "application/x-matroska")


class MediaState(enum.StrEnum):
    """How far a medium is."""

    UPLOADING = "uploading"
    COMPLETE = "complete"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Media:
    """One medium. Sizes and offsets in bytes, times in ms since the Unix epoch."""

    media_id: str
    owner: str
    name: str
    declared_type: str
    """Empty: nothing was declared."""
    size: int
    handle: str
    """Where its bytes are, in the storage's own words; never made from the name."""
    created_ms: int
    expires_ms: int
    """When it is forgotten unless it is complete by then."""
    type: str = ""
    """By content; empty until it is complete."""
    offset: int = 0
    """Everything below is durable."""
    state: MediaState = MediaState.UPLOADING
    thumbnail: str = ""
    """The handle of its thumbnail; empty: none was made yet."""
    thumbnail_bytes: int = 0


def clean_name(given: str) -> str:
    """What a file may be called: the last part of a path of any system, without control and
    direction characters, at most 255 bytes. "file" when nothing is left."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    kept = "".join(one for one in base if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co"))
    name = kept.strip()
    if name.strip(".") == "":
        return _UNNAMED
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > 16:
        stem, dot, suffix = name, "", ""
    ending = (dot + suffix).encode()
    return stem.encode()[: MAX_NAME_BYTES - len(ending)].decode(errors="ignore") + ending.decode()


def check_type(declared: str) -> str:
    """A declared type without its parameters, in lower case; raises INVALID_ARGUMENT."""
    bare = declared.partition(";")[0].strip().lower()
    if bare and not _TYPE.fullmatch(bare):
        raise invalid("filetype is no media type such as image/png")
    return bare


def settled_type(declared: str, found: str, head: bytes) -> str:
    """The type to store, of what was declared and what the content was recognised as ("" for
    nothing). Raises INVALID_ARGUMENT for a lie: who says image, audio or video has to send one,
    because clients show these without asking."""
    major = declared.partition("/")[0]
    true_major = found.partition("/")[0]
    if major in _SHOWN_AS_SUCH:
        is_played = major in _PLAYED and (true_major in _PLAYED or found in _CONTAINERS)
        if true_major != major and not is_played:
            raise invalid(f"the content is not {declared}, it is {found or 'of no known type'}")
    if found in _CONTAINERS and major in _PLAYED:
        return declared
    return found or ("text/plain" if _is_text(head) else UNKNOWN_TYPE)


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a character that the end of the head has cut
    return True
