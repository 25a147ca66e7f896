"""The port MediaStorage on S3 and what speaks like it, by multipart uploads.

<key>               complete
<key>.tail.<part>   the beginning of a part that is not full yet

All parts but the last have the same size, so an offset says by itself which part it is in; the
handle carries the name of the multipart upload. Nothing else is remembered anywhere, and any pod
goes on with an upload that another one began. The bytes of a part that is not full are an object
of their own, because parts below 5 MiB are refused. An append takes of a tail only what is below
its own offset, and leaves the tail of a part that it fills: an earlier one that nobody confirmed
spoils nothing.

Uploads that were begun and lost (a pod died before their medium was stored) are left to a
lifecycle rule of the bucket: see docs/operations/media.md.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError

from services.gateway.media_settings import MediaSettings
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART_BYTES: Final = 8 * 1024 * 1024
"""Of every part but the last. Above the 5 MiB that S3 asks for; 10,000 parts are 80,000 MiB."""
_PIECE_BYTES: Final = 256 * 1024
_CONNECTIONS: Final = 64
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 20.0
_ABSENT: Final = ("NoSuchKey", "NoSuchUpload", "404")


class _Handle(NamedTuple):
    key: str
    upload_id: str

    @classmethod
    def of(cls, written: str) -> _Handle:
        key, _, upload_id = written.partition(":")
        return cls(key, upload_id)


@asynccontextmanager
async def open_s3_media_storage(settings: MediaSettings) -> AsyncIterator[S3MediaStorage]:
    """A client of the bucket that the settings name. Opening needs no server."""
    config = AioConfig(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        retries={"max_attempts": 3, "mode": "standard"},
        # What every compatible server knows; a checksum of its own is Amazon's alone.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with get_session().create_client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.endpoint or None,
        config=config,
    ) as client:
        yield S3MediaStorage(client, settings.bucket)


class S3MediaStorage:
    """Objects of one bucket."""

    def __init__(self, client: S3Client, bucket: str, *, part_bytes: int = PART_BYTES) -> None:
        """`part_bytes` has to be the same for ever."""
        self._client = client
        self._bucket = bucket
        self._part_bytes = part_bytes

    async def begin(self, key: str) -> str:
        with _answers():
            made = await self._client.create_multipart_upload(Bucket=self._bucket, Key=key)
        return f"{key}:{made['UploadId']}"

    async def append(self, handle: str, at: int, content: bytes | bytearray) -> None:
        upload = _Handle.of(handle)
        part, inside = divmod(at, self._part_bytes)
        with _answers():
            bytes_of = bytearray(await self._tail(upload, part, inside)) if inside else bytearray()
            bytes_of += content
            while len(bytes_of) >= self._part_bytes:
                await self._put_part(upload, part, bytes(bytes_of[: self._part_bytes]))
                del bytes_of[: self._part_bytes]
                part += 1
            if bytes_of:
                await self._client.put_object(
                    Bucket=self._bucket, Key=_tail_key(upload, part), Body=bytes(bytes_of)
                )

    async def complete(self, handle: str, size: int) -> None:
        upload = _Handle.of(handle)
        part, inside = divmod(size, self._part_bytes)
        with _answers():
            try:
                if inside:
                    await self._put_part(upload, part, await self._tail(upload, part, inside))
                parts = await self._parts(upload)
                await self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=upload.key,
                    UploadId=upload.upload_id,
                    MultipartUpload={"Parts": parts},
                )
            except ClientError as error:
                # Completed before, by a pod that died before it could say so.
                if not _is_absent(error) or not await self._is_there(upload, size):
                    raise
            await self._delete_tails(upload)

    async def read(self, handle: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        if start >= stop:
            return
        with _answers():
            found = await self._client.get_object(
                Bucket=self._bucket,
                Key=_Handle.of(handle).key,
                Range=f"bytes={start}-{stop - 1}",
            )
            async with found["Body"] as body:
                async for piece in body.iter_chunks(_PIECE_BYTES):
                    yield piece

    async def delete(self, handle: str) -> None:
        upload = _Handle.of(handle)
        with _answers():
            try:
                await self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id
                )
            except ClientError as error:
                if not _is_absent(error):
                    raise
            await self._client.delete_object(Bucket=self._bucket, Key=upload.key)
            await self._delete_tails(upload)

    async def _tail(self, upload: _Handle, part: int, length: int) -> bytes:
        found = await self._client.get_object(Bucket=self._bucket, Key=_tail_key(upload, part))
        async with found["Body"] as body:
            tail: bytes = await body.read()
        if len(tail) < length:
            raise unavailable("the storage of media has lost a part")
        return tail[:length]

    async def _put_part(self, upload: _Handle, part: int, content: bytes) -> None:
        await self._client.upload_part(
            Bucket=self._bucket,
            Key=upload.key,
            UploadId=upload.upload_id,
            PartNumber=part + 1,
            Body=content,
        )

    async def _parts(self, upload: _Handle) -> list[CompletedPartTypeDef]:
        found: list[CompletedPartTypeDef] = []
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id
        )
        async for page in pages:
            found += [
                {"PartNumber": one["PartNumber"], "ETag": one["ETag"]}
                for one in page.get("Parts", ())
            ]
        return found

    async def _is_there(self, upload: _Handle, size: int) -> bool:
        try:
            found = await self._client.head_object(Bucket=self._bucket, Key=upload.key)
        except ClientError as error:
            if _is_absent(error):
                return False
            raise
        return found["ContentLength"] == size

    async def _delete_tails(self, upload: _Handle) -> None:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{upload.key}.tail."
        )
        async for page in pages:
            for one in page.get("Contents", ()):
                await self._client.delete_object(Bucket=self._bucket, Key=one["Key"])


def _tail_key(upload: _Handle, part: int) -> str:
    return f"{upload.key}.tail.{part}"


def _is_absent(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in _ABSENT


@contextmanager
def _answers() -> Iterator[None]:
    """Errors of the client leave this block in our words; theirs may name hosts and keys."""
    try:
        yield
    except ClientError as error:
        if _is_absent(error):
            raise WhimbrelError(ErrorCode.NOT_FOUND, "the medium is not in the storage") from None
        raise _away(error) from error
    except (TimeoutError, BotoCoreError, HttpError, OSError) as error:
        raise _away(error) from error


def _away(error: Exception) -> WhimbrelError:
    return unavailable(f"the storage of media does not answer ({type(error).__name__})")
