"""How the figures of a bench are shown to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def show_table(name: str, figures: Mapping[str, Any]) -> None:
    """One figure a line; what is nested stands below its name."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"bench {name}", show_header=False)
    for key, value in figures.items():
        if isinstance(value, Mapping):
            for inner, used in value.items():
                table.add_row(f"  {key}: {inner}", str(used))
        else:
            table.add_row(key, str(value))
    Console().print(table)
