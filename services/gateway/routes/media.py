"""Uploads, by the tus protocol 1.0 (creation, creation-with-upload, termination, expiration)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from services.gateway.caller import Caller
from services.gateway.domain.media import Media, MediaState
from services.gateway.domain.tus import (
    CONTENT_TYPE,
    EXTENSIONS,
    VERSION,
    parse_metadata,
    parse_size,
)
from services.gateway.errors import error_response
from services.gateway.parts import PartsDep
from services.gateway.usecases.upload_media import UploadTakenError, WrongOffsetError
from whimbrel.core.errors import invalid

router = APIRouter(prefix="/v1/media", tags=["media"])

MediaId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
TusResumable = Annotated[str | None, Header(description="The version of tus: 1.0.0.")]
_SPOKEN: Final = {"tus-resumable": VERSION}


class MediaAnswer(BaseModel):
    """A medium of the caller."""

    media_id: str
    name: str
    type: str
    """By content; empty until it is complete."""
    size: int
    offset: int
    """Bytes that have come."""
    is_complete: bool
    created_ms: int

    @classmethod
    def of(cls, media: Media) -> MediaAnswer:
        """As JSON has it."""
        return cls(
            media_id=media.media_id,
            name=media.name,
            type=media.type,
            size=media.size,
            offset=media.offset,
            is_complete=media.state is MediaState.COMPLETE,
            created_ms=media.created_ms,
        )


@router.options("", status_code=204)
async def describe_uploads(parts: PartsDep) -> Response:
    """What of tus is spoken here. Needs no token."""
    return _spoken(
        204,
        {
            "tus-version": VERSION,
            "tus-extension": EXTENSIONS,
            "tus-max-size": str(parts.media.settings.max_file_bytes),
        },
    )


@router.post("", status_code=201, response_class=Response)
async def create_upload(
    request: Request,
    caller: Caller,
    parts: PartsDep,
    upload_length: Annotated[str | None, Header(description="Bytes of the file.")] = None,
    upload_metadata: Annotated[
        str | None, Header(description="tus: filename and filetype, in base64.")
    ] = None,
    tus_resumable: TusResumable = None,
) -> Response:
    """Announce a file; its address in Location. A body of the type
    application/offset+octet-stream is its beginning."""
    if (refused := _other_version(tus_resumable)) is not None:
        return refused
    said = parse_metadata(upload_metadata or "")
    size = parse_size("Upload-Length", upload_length)
    name = said.get("filename", said.get("name", ""))
    upload = parts.media.upload
    media = await upload.create(
        caller.user_id, size, name, said.get("filetype", said.get("type", ""))
    )
    if _brings_bytes(request):
        media = await upload.receive(
            caller.user_id, media.media_id, 0, _pieces(request), declared_bytes=_declared(request)
        )
    return _spoken(201, {"location": f"/v1/media/{media.media_id}", **_stands(media)})


@router.head("/{media_id}", response_class=Response)
async def look_at_upload(
    media_id: MediaId, caller: Caller, parts: PartsDep, tus_resumable: TusResumable = None
) -> Response:
    """How far an upload of the caller is, in Upload-Offset."""
    if (refused := _other_version(tus_resumable)) is not None:
        return refused
    media = await parts.media.upload.look(caller.user_id, media_id)
    return _spoken(
        200,
        {"cache-control": "no-store", "upload-length": str(media.size), **_stands(media)},
    )


@router.patch("/{media_id}", status_code=204)
async def continue_upload(
    media_id: MediaId,
    request: Request,
    caller: Caller,
    parts: PartsDep,
    upload_offset: Annotated[str | None, Header(description="Where the body begins.")] = None,
    tus_resumable: TusResumable = None,
) -> Response:
    """Go on with an upload: the body is bytes of the file, of the type
    application/offset+octet-stream. What has come counts, also when the request is cut."""
    if (refused := _other_version(tus_resumable)) is not None:
        return refused
    if not _brings_bytes(request):
        return error_response(invalid(f"the content type is not {CONTENT_TYPE}"), 415)
    offset = parse_size("Upload-Offset", upload_offset)
    try:
        media = await parts.media.upload.receive(
            caller.user_id, media_id, offset, _pieces(request), declared_bytes=_declared(request)
        )
    except WrongOffsetError as error:
        response: Response = error_response(error)
        response.headers.update({**_SPOKEN, "upload-offset": str(error.offset)})
        return response
    except UploadTakenError as error:
        return error_response(error, 423)
    return _spoken(204, _stands(media))


@router.delete("/{media_id}", status_code=204)
async def remove_media(
    media_id: MediaId, caller: Caller, parts: PartsDep, tus_resumable: TusResumable = None
) -> Response:
    """Forget an upload or a medium of the caller; messages that show it show nothing then."""
    if (refused := _other_version(tus_resumable)) is not None:
        return refused
    await parts.media.upload.remove(await parts.media.upload.look(caller.user_id, media_id))
    return _spoken(204, {})


@router.get("/{media_id}/about")
async def about_media(media_id: MediaId, caller: Caller, parts: PartsDep) -> MediaAnswer:
    """What is known of a medium of the caller."""
    return MediaAnswer.of(await parts.media.upload.look(caller.user_id, media_id))


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. A client that is gone ends it: what has come is worth keeping."""
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        return


def _brings_bytes(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip() == CONTENT_TYPE


def _declared(request: Request) -> int | None:
    length = request.headers.get("content-length")
    return int(length) if length is not None and length.isdecimal() else None


def _stands(media: Media) -> dict[str, str]:
    stands = {"upload-offset": str(media.offset)}
    if media.state is MediaState.UPLOADING:
        stands["upload-expires"] = formatdate(media.expires_ms / 1000, usegmt=True)
    return stands


def _spoken(status: int, headers: dict[str, str]) -> Response:
    return Response(status_code=status, headers={**_SPOKEN, **headers})


def _other_version(asked: str | None) -> Response | None:
    if asked in (None, VERSION):
        return None
    response: Response = error_response(invalid(f"tus is spoken in version {VERSION}"), 412)
    response.headers.update({**_SPOKEN, "tus-version": VERSION})
    return response
