"""`whimbrel keys`: which keys sign tokens, and which verify them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import Data, Json, folder_of

if TYPE_CHECKING:
    from whimbrel.runtime.key_ring import KeyRing

keys = typer.Typer(
    no_args_is_help=True,
    help="""Keys of tokens: add one, let it sign, retire the old one. Nobody is logged out.

    Two files: one with the private keys for the gateway, one with the public ones for every pod.
    Pods read them again by themselves. Wait after `add` until every pod has the new public keys
    (at once on this machine; on Kubernetes a Secret takes a minute or two), then `promote`; wait
    until the last token of the old key has expired (15 minutes), then `retire` it.""",
)

Signing = Annotated[
    Path | None,
    typer.Option(help="File of the private keys. Default: that of the stack on this machine."),
]
Public = Annotated[
    Path | None,
    typer.Option(help="File of the public keys. Default: that of the stack on this machine."),
]
KeyId = Annotated[str, typer.Argument(help="Its id, as `whimbrel keys list` shows it.")]


@keys.command("list")
def list_keys(
    signing: Signing = None, public: Public = None, data: Data = None, as_json: Json = False
) -> None:
    """Show the keys: which one signs, and since when another does not.

    Example: whimbrel keys list
    """
    from rich.console import Console
    from rich.table import Table

    rows = _ring(signing, public, data).list()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("key", "does", "signed until")
    for row in rows:
        stopped = row.stopped_at
        until = "" if stopped is None else f"{datetime.fromtimestamp(stopped, UTC):%Y-%m-%d %H:%M}"
        table.add_row(row.key_id, "signs, verifies" if row.signs else "verifies", until)
    Console().print(table)


@keys.command()
def add(signing: Signing = None, public: Public = None, data: Data = None) -> None:
    """Make a new key, which verifies and does not sign yet; prints its id.

    Example: whimbrel keys add
    """
    typer.echo(_ring(signing, public, data).add())


@keys.command()
def promote(
    key_id: KeyId, signing: Signing = None, public: Public = None, data: Data = None
) -> None:
    """Sign with this key from now on. Those that signed before verify on.

    Example: whimbrel keys promote 0f3a52c1d7e64b98
    """
    _ring(signing, public, data).promote(key_id, time.time())
    typer.echo(f"{key_id} signs")


@keys.command()
def retire(
    key_id: KeyId,
    after: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="How long ago it must have signed last."),
    ] = 900.0,
    signing: Signing = None,
    public: Public = None,
    data: Data = None,
) -> None:
    """Forget a key: the tokens that it has signed are refused. For a key that is known to others,
    --after 0.

    Example: whimbrel keys retire 0f3a52c1d7e64b98
    """
    _ring(signing, public, data).retire(key_id, time.time(), after_seconds=after)
    typer.echo(f"{key_id} is forgotten")


def _ring(signing: Path | None, public: Path | None, data: Path | None) -> KeyRing:
    from whimbrel.runtime.key_ring import KeyRing
    from whimbrel.runtime.token_keys import KeyFileError

    if (signing is None) != (public is None):
        raise typer.BadParameter("give both --signing and --public, or neither")
    folder = folder_of(data)
    try:
        return KeyRing(signing or folder.signing_file, public or folder.keys_file)
    except KeyFileError as error:
        raise CommandError(str(error)) from None
