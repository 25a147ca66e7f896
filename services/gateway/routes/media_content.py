"""Downloads of media, whole or in ranges."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.gateway.adapters.thumbnails_pillow import THUMBNAIL_TYPE
from services.gateway.caller import Caller
from services.gateway.domain.media import Media
from services.gateway.domain.ranges import (
    ByteRange,
    UnsatisfiableRangeError,
    asked_range,
    disposition,
)
from services.gateway.errors import ErrorBody, error_response
from services.gateway.parts import PartsDep
from services.gateway.routes.media import MediaId
from whimbrel.core.errors import invalid

router = APIRouter(prefix="/v1/media", tags=["media"])

_BINARY: Final[dict[str, Any]] = {
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}
}
_WEBP: Final[dict[str, Any]] = {
    "content": {THUMBNAIL_TYPE: {"schema": {"type": "string", "format": "binary"}}}
}
_PARTIAL: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The medium, of its own type.", **_BINARY},
    206: {"description": "The range that was asked for.", **_BINARY},
    304: {"description": "It is the one that If-None-Match names."},
    416: {"description": "No byte of the range is there.", "model": ErrorBody},
}


class _Download(StreamingResponse):
    """Closes what it reads from, however it ends: a client that is gone leaves no open file, and
    its place to others at once. (Starlette leaves that to the garbage collector.)"""

    def __init__(
        self,
        content: AsyncGenerator[bytes, None],
        status_code: int,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        super().__init__(content, status_code, headers, media_type)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._content):
            await super().__call__(scope, receive, send)


@router.get("/{media_id}", response_class=Response, responses=_PARTIAL)
async def download_media(
    media_id: MediaId,
    caller: Caller,
    parts: PartsDep,
    range_: Annotated[
        str | None, Header(alias="range", description="One range, bytes=FIRST-LAST.")
    ] = None,
    if_range: Annotated[str | None, Header(description="The ETag of the part before.")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The medium, always as an attachment, for its owner, for whoever got a message that shows
    it, and for everybody while it is the picture of its owner's profile. A medium never changes:
    its ETag holds for ever."""
    media = await parts.media.read.open(caller.user_id, media_id)
    headers = _headers(media)
    if if_none_match is not None and (if_none_match == "*" or headers["etag"] in if_none_match):
        return Response(status_code=304, headers=headers)
    parts.media.read.check_room(caller.user_id)
    try:
        asked = asked_range(range_, media.size) if if_range in (None, headers["etag"]) else None
    except UnsatisfiableRangeError:
        refused: Response = error_response(invalid("no byte of that range is there"), 416)
        refused.headers["content-range"] = f"bytes */{media.size}"
        return refused
    sent = asked or ByteRange(0, media.size)
    headers["content-length"] = str(sent.stop - sent.start)
    if asked is not None:
        headers["content-range"] = f"bytes {sent.start}-{sent.stop - 1}/{media.size}"
    return _Download(
        parts.media.read.stream(caller.user_id, media.handle, sent.start, sent.stop),
        status_code=200 if asked is None else 206,
        headers=headers,
        media_type=media.type,
    )


@router.get(
    "/{media_id}/thumbnail",
    response_class=Response,
    responses={200: {"description": "A picture of at most 320 pixels a side.", **_WEBP}},
)
async def media_thumbnail(media_id: MediaId, caller: Caller, parts: PartsDep) -> Response:
    """A small picture of a picture, for whoever may download it."""
    media = await parts.media.read.open(caller.user_id, media_id)
    small = await parts.media.thumbnail.show(media)
    headers = _headers(media) | {"etag": f'"{media.media_id}-thumbnail"'}
    headers["content-disposition"] = disposition("thumbnail.webp")
    return Response(small, headers=headers, media_type=THUMBNAIL_TYPE)


def _headers(media: Media) -> dict[str, str]:
    return {
        "etag": f'"{media.media_id}"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": disposition(media.name),
        # Nobody's file is a page of ours, whatever a browser makes of its type.
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
