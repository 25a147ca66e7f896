"""The options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from whimbrel.local.state import DataFolder

Data = Annotated[
    Path | None,
    typer.Option(
        help="Data directory of the stack. Default: $WHIMBREL_DATA, else "
        "$XDG_STATE_HOME/whimbrel, else ~/.local/state/whimbrel.",
        show_default=False,
    ),
]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="USER", help="Who you are. Not needed with --token."),
]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(
        envvar="WHIMBREL_ENDPOINT",
        help="host:port of an Access pod, again for more. Default: the stack that runs here.",
        show_default=False,
    ),
]
Controller = Annotated[
    list[str] | None,
    typer.Option(
        envvar="WHIMBREL_CONTROLLER",
        metavar="HOST:PORT",
        help="A drain controller, or a Router that knows them, again for more. Default: those of "
        "the stack that runs here.",
        show_default=False,
    ),
]
Certificates = Annotated[
    Path | None,
    typer.Option(
        envvar="WHIMBREL_CERTIFICATES",
        metavar="FOLDER",
        help="Speak TLS with --controller: a folder with tls.crt, tls.key and ca.crt of an "
        "operator. Default: plain text; the stack that runs here is known.",
        show_default=False,
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="WHIMBREL_TOKEN",
        help="Token of the user. Default: one for --as, signed with the stack's own key.",
        show_default=False,
    ),
]
Ca = Annotated[
    str | None,
    typer.Option(
        envvar="WHIMBREL_CA",
        metavar="FILE",
        help='Speak TLS with --endpoint and believe this authority; "system": those of the '
        "system. Default: plain text; the stack that runs here is known.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; ids are strings.")]
Timeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds to wait before giving up.", metavar="SECONDS")
]


def folder_of(data: Path | None) -> DataFolder:
    """The data directory that the options name."""
    from whimbrel.local.state import DataFolder, default_data

    return DataFolder((data or default_data()).expanduser().absolute())
