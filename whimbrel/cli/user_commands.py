"""`whimbrel user`: the accounts of the stack on this machine."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Final

import typer

from whimbrel.cli.edge import EdgeGroup
from whimbrel.cli.gateway_calls import AdminGateway
from whimbrel.cli.options import Data, Json
from whimbrel.cli.spans import seconds_of, time_of, until

user = typer.Typer(
    cls=EdgeGroup, no_args_is_help=True, help="Accounts: add, list, ban. Asks the gateway."
)

User = Annotated[str, typer.Argument(metavar="USER", help="The user id.")]
_PAGE: Final = 100


@user.command()
def add(
    user_id: User,
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="WHIMBREL_PASSWORD",
            help="At least 8 characters. Default: you are asked for it.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What others see. Default: the user id.", show_default=False)
    ] = None,
    data: Data = None,
) -> None:
    """Make an account.

    Example: WHIMBREL_PASSWORD="correct horse" whimbrel user add alice --name "Alice Liddell"
    """
    body = {"user_id": user_id, "password": password} | ({} if name is None else {"name": name})
    made = AdminGateway(data).call("POST", "/v1/admin/users", body)
    typer.echo(f"added {made['user_id']}")


@user.command("list")
def list_users(data: Data = None, as_json: Json = False) -> None:
    """List all accounts, with the bans that hold.

    Example: whimbrel user list --json
    """
    from rich.console import Console
    from rich.table import Table

    gateway = AdminGateway(data)
    bans = {ban["user_id"]: ban for ban in _all(gateway, "/v1/admin/bans")}
    users = [{**one, "ban": bans.get(one["user_id"])} for one in _all(gateway, "/v1/admin/users")]
    if as_json:
        typer.echo(json.dumps(users, indent=2))
        return
    table = Table("user", "name", "since", "scopes", "banned")
    for one in users:
        ban = one["ban"]
        banned = "" if ban is None else f"{_until(ban['until_ms'])}: {ban['reason']}"
        since = f"{time_of(one['created_ms']):%Y-%m-%d}"
        table.add_row(one["user_id"], one["name"], since, " ".join(one["scopes"]), banned)
    Console().print(table)


@user.command()
def ban(
    user_id: User,
    reason: Annotated[str, typer.Option(help="One line; the person sees it.")] = "banned",
    span: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="SPAN", help="30m, 12h, 7d. Default: for ever.", show_default=False
        ),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="End a ban.")] = False,
    data: Data = None,
) -> None:
    """Ban a user: no logins, no messages; or lift a ban.

    Examples:

        whimbrel user ban mallory --for 7d --reason spam

        whimbrel user ban mallory --lift
    """
    gateway = AdminGateway(data)
    if lift:
        gateway.call("DELETE", f"/v1/admin/bans/{user_id}")
        typer.echo(f"{user_id} is not banned any more")
        return
    body: dict[str, str | int] = {"reason": reason}
    if span is not None:
        body["until_ms"] = round((time.time() + seconds_of(span)) * 1000)
    banned = gateway.call("PUT", f"/v1/admin/bans/{user_id}", body)
    typer.echo(f"{user_id} is banned {_until(banned['until_ms'])}")


@user.command("log-out")
def log_out(user_id: User, data: Data = None) -> None:
    """End all logins of a user, and their tokens and streams, on every pod within 2 s.

    Example: whimbrel user log-out alice
    """
    AdminGateway(data).call("DELETE", f"/v1/admin/users/{user_id}/logins")
    typer.echo(f"all logins of {user_id} have ended")


def _all(gateway: AdminGateway, path: str) -> list[dict[str, Any]]:
    """Every row of a list that comes in pages by user id."""
    rows: list[dict[str, Any]] = []
    while True:
        after = rows[-1]["user_id"] if rows else ""
        page = gateway.call("GET", f"{path}?limit={_PAGE}&after={after}")
        rows += page
        if len(page) < _PAGE:
            return rows


def _until(ms: int | None) -> str:
    return "for ever" if ms is None else until(ms)
