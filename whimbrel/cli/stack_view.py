"""How a stack looks: JSON for programs, a table for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from whimbrel.local.state import StackRecord


def status_json(record: StackRecord) -> dict[str, Any]:
    """What `status --json` prints."""
    parts = {
        name: {key: value for key, value in asdict(part).items() if key != "started"}
        for name, part in record.parts.items()
    }
    return {
        "state": record.state,
        "started_at": record.started_at,
        "pid": record.supervisor.pid,
        "endpoints": record.endpoints,
        "gateway": record.gateway,
        "traces": record.traces,
        "router_addresses": record.router_addresses,
        "mongo_url": record.mongo_url,
        "redis_url": record.redis_url,
        "ca_file": record.ca_file,
        "parts": parts,
    }


def status_table(record: StackRecord) -> Table:
    """The same for a person: a row for each part, then where the stack is reached."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table("part", "state", "address", "pid", title=f"whimbrel: {record.state}", box=SIMPLE)
    for name, part in sorted(record.parts.items(), key=lambda item: _rank(item[1].role)):
        table.add_row(name, part.state, part.address, str(part.pid))
    table.add_section()
    table.add_row("endpoints", "", ", ".join(record.endpoints), "")
    table.add_row("gateway", "", record.gateway, "")
    if record.traces:
        table.add_row("traces", "", record.traces, "")
    table.add_row("router", "", record.router_addresses, "")
    table.add_row("mongo", "", record.mongo_url, "")
    table.add_row("redis", "", record.redis_url, "")
    table.add_row("tls", "", f"believe {record.ca_file}" if record.ca_file else "none", "")
    return table


def _rank(role: str) -> int:
    order = (
        "access",
        "logic",
        "push",
        "gateway",
        "drain",
        "router",
        "collector",
        "redis",
        "mongod",
    )
    return order.index(role) if role in order else len(order)
