"""`whimbrel upload`, `whimbrel download`: files that messages show."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whimbrel.cli.edge import CommandError
from whimbrel.cli.gateway_calls import believing
from whimbrel.cli.options import As, Data, Token, folder_of

if TYPE_CHECKING:
    from whimbrel.cli.media_calls import MediaGateway, Progress

_TOKEN_SECONDS: Final = 86_400.0
"""A token of the stack's own key: as long as a slow line may take."""

GatewayUrl = Annotated[
    str | None,
    typer.Option(
        "--gateway",
        envvar="WHIMBREL_GATEWAY",
        metavar="URL",
        help="http:// URL of a gateway. Default: that of the stack that runs here.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and no progress.")]


def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False)],
    user: As = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="MEDIA_ID", help="Go on with an upload that was given up before."),
    ] = None,
    gateway: GatewayUrl = None,
    token: Token = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Upload a file, for messages to show; prints its media_id.

    A broken connection is no matter: it goes on where it was cut, by itself for half a minute,
    later with --resume.

    Examples:

        whimbrel upload cat.png --as alice

        whimbrel upload film.mp4 --as alice --resume 5f0c… --json
    """
    from whimbrel.cli.media_calls import CutError

    server = _gateway(user, gateway, token, data)
    if not file.is_file():
        raise CommandError(f"there is no file {file}")
    size = file.stat().st_size
    if not size:
        raise CommandError(f"{file} is empty: there is nothing to upload")
    media_id = resume or server.create(size, _metadata(file))
    try:
        with file.open("rb") as opened, _progress(file.name, as_json) as progress:
            server.upload(media_id, opened, size, progress)
    except CutError as error:
        again = f"whimbrel upload {file} --resume {media_id}"
        raise CommandError(f"{error}; go on with `{again}`") from None
    if as_json:
        typer.echo(json.dumps({"media_id": media_id, "name": file.name, "size": size}))
    else:
        typer.echo(media_id)


def download(
    media_id: Annotated[str, typer.Argument(metavar="MEDIA_ID")],
    user: As = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="The file to write. Default: its own name, in this directory.",
            show_default=False,
        ),
    ] = None,
    gateway: GatewayUrl = None,
    token: Token = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Download a file that is yours, or that a message has shown you.

    What has come of one that was cut lies beside it, and the same command goes on from there.

    Example: whimbrel download 5f0c… --as bob --output cat.png
    """
    if not (media_id.isalnum() and media_id.isascii()):
        raise typer.BadParameter("a media id has only letters and digits")
    if output is not None and output.exists():
        raise CommandError(f"{output} is there already: give another --output")
    server = _gateway(user, gateway, token, data)
    with _progress(media_id, as_json) as progress:
        got = server.download(media_id, output, progress)
    if as_json:
        typer.echo(
            json.dumps(
                {"media_id": media_id, "file": str(got.path), "size": got.size, "type": got.type}
            )
        )
    else:
        typer.echo(str(got.path))


def _gateway(
    user: str | None, url: str | None, token: str | None, data: Path | None
) -> MediaGateway:
    from whimbrel.cli.media_calls import MediaGateway

    if token is None and user is None:
        raise typer.BadParameter("say who you are with --as USER, or give a --token")
    if url is not None and token is None:
        raise typer.BadParameter(
            "--gateway names a cluster whose key is not here: give a --token for it "
            "(or WHIMBREL_TOKEN)"
        )
    context = None
    if url is None:
        record = folder_of(data).running()
        url, context = record.gateway, believing(record.ca_file)
        if not url:
            raise CommandError(
                "this stack has no gateway: start one with `whimbrel up --gateway 1`"
            )
    if token is None:
        from whimbrel.runtime.tokens import sign_token

        assert user is not None
        key = folder_of(data).signing_key()
        token = sign_token(key, user, _TOKEN_SECONDS, now=time.time())
    return MediaGateway(url, token, context=context)


def _metadata(file: Path) -> str:
    said = {"filename": file.name}
    guessed = guess_type(file.name)[0]
    # A suffix is a guess; only a person may insist on what the content has to be.
    if guessed is not None and not guessed.startswith(("image/", "audio/", "video/")):
        said["filetype"] = guessed
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in said.items())


@contextmanager
def _progress(name: str, quiet: bool) -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal."""
    if quiet:
        yield lambda there, size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    columns = (BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda there, size: bar.update(task, completed=there, total=size)
