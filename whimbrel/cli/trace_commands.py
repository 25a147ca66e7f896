"""`whimbrel trace`: the way of one message, as a waterfall in the terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import Data, Json, folder_of

if TYPE_CHECKING:
    from whimbrel.cli.waterfall import SpanLine, Waterfall

_BAR_WIDTH = 40


def trace(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="Of a message (digits) or of a trace (hex).")
    ],
    jaeger: Annotated[
        str | None,
        typer.Option(
            envvar="WHIMBREL_JAEGER",
            metavar="URL",
            help="Where Jaeger's pages are. Default: the collector of the stack that runs here.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show where a message spent its time, from its sender's pod to the device's ack.

    Each line is a span: what was done, by which pod, when and for how long. A batch that the
    message was part of is a trace of its own, named under "linked to".

    Examples:

        whimbrel trace 7294018284718231552

        whimbrel trace 4bf92f3577b34da6a3ce929d0e0e4736 --jaeger http://localhost:16686
    """
    from whimbrel.cli.trace_query import find_trace
    from whimbrel.cli.waterfall import waterfall

    url = jaeger
    if url is None:
        url = folder_of(data).running().traces
        if not url:
            raise CommandError(
                "this stack keeps no traces: start it with `whimbrel up --trace`, "
                "or name a Jaeger with --jaeger URL"
            )
    found = find_trace(url, name)
    if found is None:
        raise CommandError(
            f"{url} has no trace of {name}: either the message was not sampled (the ratio is "
            "WHIMBREL_TRACING__RATIO, 0.01 by default; `whimbrel up --trace` takes all), or its "
            "spans are on their way (some seconds), or it is too old to be kept"
        )
    flow = waterfall(found)
    link = f"{url.rstrip('/')}/trace/{flow.trace_id}"
    if as_json:
        typer.echo(json.dumps({"link": link if jaeger else "", **asdict(flow)}, indent=2))
        return
    _show(flow)
    if jaeger:
        typer.echo(f"Jaeger shows it at {link}")


def _show(flow: Waterfall) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from whimbrel.cli.waterfall import bar

    title = f"trace {flow.trace_id}, {flow.total_us / 1000:.1f} ms"
    table = Table("span", "pod", "at ms", "ms", "", "linked to", title=title, box=SIMPLE)
    for line in flow.lines:
        table.add_row(
            "  " * line.depth + line.name,
            line.pod or line.service,
            f"{line.start_us / 1000:.2f}",
            f"{line.duration_us / 1000:.2f}",
            bar(line, flow.total_us, _BAR_WIDTH),
            _notes(line),
            style="red" if line.error else None,
        )
    Console(soft_wrap=True).print(table)


def _notes(line: SpanLine) -> str:
    return " ".join(filter(None, (line.error, *line.events, *line.links)))
