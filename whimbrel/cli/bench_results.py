"""`whimbrel bench compare` and `whimbrel bench report`: what is made of results in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

_RESULT = "A file with what a bench printed with --json."


def compare_results(
    before: Annotated[Path, typer.Argument(help=_RESULT)],
    after: Annotated[Path, typer.Argument(help="The same of the other one.")],
    only_changes: Annotated[bool, typer.Option(help="Leave out what is the same.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list of objects, one for each figure.")
    ] = False,
) -> None:
    """Two results, figure by figure: what is the same, better or worse.

    The same: the ranges of the runs meet, or with one run each they are within a tenth. On two
    machines compare the ratios alone.

    Example: whimbrel bench compare yesterday.json today.json --only-changes
    """
    from bench.compare import compare, is_same_machine

    old, new = _read(before), _read(after)
    differences = [one for one in compare(old, new) if not (only_changes and one.verdict == "same")]
    if as_json:
        typer.echo(json.dumps([one._asdict() | {"change": one.change} for one in differences]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", before.name, after.name, "change", "")
    for one in differences:
        change = "" if one.change is None else f"{one.change:+.1%}"
        table.add_row(one.key, f"{one.before:g}", f"{one.after:g}", change, one.verdict)
    Console().print(table)
    if not is_same_machine(old, new):
        typer.echo("They were measured on different machines: compare the ratios alone.", err=True)


def report(
    result: Annotated[Path, typer.Argument(help=_RESULT)],
    folder: Annotated[Path, typer.Option(help="Is made if it is not there.")] = Path(
        "bench-report"
    ),
) -> None:
    """A Markdown page of a result, with its goals, and pictures as SVG and PNG.

    Example: whimbrel bench report today.json --folder report
    """
    from bench.report import write_report

    try:
        written = write_report(_read(result), folder)
    except OSError as error:
        typer.echo(f"whimbrel bench report: {error}", err=True)
        raise typer.Exit(1) from None
    for path in written:
        typer.echo(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} holds no result of a bench: {error}") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path} holds no result of a bench: it is no JSON object")
    return found
