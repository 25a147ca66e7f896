"""What an operator can set for media, each with unit, default and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from whimbrel.runtime.settings_group import Seconds, SettingsGroup

_MIB = 1024 * 1024


class MediaSettings(SettingsGroup):
    """Files that users upload and download."""

    storage: Literal["none", "folder", "s3"] = "none"
    """Where the bytes are. Default none: routes of media answer UNAVAILABLE until somebody has
    said where files may go."""
    folder: Path | None = None
    """The directory, of "folder"; all gateway pods share it. No default."""
    bucket: str = ""
    """The bucket, of "s3"; it has to exist. No default."""
    endpoint: Annotated[str, Field(pattern=r"^(https?://.+)?$")] = ""
    """URL of an S3-compatible server. Default empty: the region's own. Credentials are never
    settings of ours: the S3 client finds them in its environment, files or the pod's role."""
    region: str = "us-east-1"
    """Of the bucket. Default us-east-1: what most compatible servers take."""
    max_file_bytes: Annotated[int, Field(ge=1, le=80_000 * _MIB)] = 512 * _MIB
    """Bytes of one file. Default 512 MiB: a film of some minutes. At most 80,000 MiB, which is
    10,000 parts of S3."""
    quota_bytes: Annotated[int, Field(ge=1)] = 4096 * _MIB
    """Bytes that one user has in all, with what unfinished uploads have reserved. Default 4 GiB:
    8 of the largest files."""
    max_open_uploads: Annotated[int, Field(ge=1, le=1000)] = 16
    """Unfinished uploads of one user. Default 16: an album at once, and nobody who only begins."""
    max_uploads: Annotated[int, Field(ge=1)] = 16
    """Bodies that a pod receives at once; more are answered 429. Default 16: each holds up to
    two chunks in memory."""
    max_downloads: Annotated[int, Field(ge=1)] = 64
    """Downloads that a pod sends at once; more are answered 429. Default 64: each holds up to
    2 MiB."""
    max_transfers_of_user: Annotated[int, Field(ge=1)] = 6
    """Bodies of one user at once, and downloads of one user, on a pod. Default 6: an album goes
    at full speed, and who is slow on purpose holds up nobody else."""
    chunk_bytes: Annotated[int, Field(ge=64 * 1024, le=64 * _MIB)] = 4 * _MIB
    """Bytes that are made durable together. Default 4 MiB: a sync of the disk costs some
    milliseconds, a cut loses nothing that came before it, a kill at most this."""
    chunk_seconds: Seconds = 5.0
    """Seconds after which less than that is made durable. Default 5: what a slow phone has sent
    outlives a killed pod."""
    stall_seconds: Seconds = 30.0
    """Seconds without a byte, in either direction, after which a transfer is cut. Default 30: a
    tunnel. There is no bound on the whole."""
    lease_seconds: Seconds = 15.0
    """Seconds for which one upload belongs to the connection that sends it, renewed with every
    chunk. Default 15: three times chunk_seconds; as long as a resume waits for a pod that was
    killed."""
    thumbnail_source_bytes: Annotated[int, Field(ge=1, le=256 * _MIB)] = 20 * _MIB
    """Bytes of a picture of which a thumbnail is made. Default 20 MiB: it is in memory meanwhile,
    one at a time."""
    thumbnail_pixels: Annotated[int, Field(ge=1)] = 12_000_000
    """Pixels that are decoded for a thumbnail at most. Default 12 million: 48 MB in memory, one
    picture at a time. Of a JPEG they are those of its eighth, so that photographs of any camera
    pass."""
    thumbnails_waiting: Annotated[int, Field(ge=0)] = 16
    """Thumbnails that wait for the one that is made; more are answered 429. Default 16."""
    unfinished_seconds: Seconds = 86_400.0
    """Seconds without a byte after which an unfinished upload is forgotten. Default a day."""
    sweep_seconds: Seconds = 300.0
    """Seconds between looking for such uploads. Default 300: they cost only room."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.storage == "folder" and self.folder is None:
            raise ValueError("storage is folder: folder is missing")
        if self.storage == "s3" and not self.bucket:
            raise ValueError("storage is s3: bucket is missing")
        return self
