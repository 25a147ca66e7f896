"""`whimbrel group`: found a group, look at it, change who is in it.

`create` and `members` are a client's, over a stream; the others ask a Logic pod of the stack that
runs here, in the name of --as.
"""

from __future__ import annotations

import asyncio
import json
import time
from enum import StrEnum
from typing import Annotated

import typer

from whimbrel.cli.edge import EdgeGroup
from whimbrel.cli.group_calls import ask_group, change, say_changed, say_gone
from whimbrel.cli.group_view import FOR_EVER_MS, group_json, group_lines, muted
from whimbrel.cli.options import As, Ca, Data, Endpoint, Json, Token
from whimbrel.cli.spans import seconds_of
from whimbrel.cli.talk import access_of, connected

group = typer.Typer(
    cls=EdgeGroup, no_args_is_help=True, help="Groups: create, look at, change one, end it."
)

Conversation = Annotated[str, typer.Argument(metavar="CONVERSATION", help="Id of the group.")]
User = Annotated[str, typer.Argument(metavar="USER", help="Whom.")]
By = Annotated[str, typer.Option("--as", metavar="USER", help="Who does it.")]


class Role(StrEnum):
    """What the owner may make of a member."""

    MEMBER = "member"
    ADMIN = "admin"


@group.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the group, for people.")],
    members: Annotated[list[str], typer.Argument(metavar="USER...", help="Members beside you.")],
    as_user: As = None,
    as_json: Json = False,
    endpoint: Endpoint = None,
    ca: Ca = None,
    token: Token = None,
    data: Data = None,
) -> None:
    """Create a group and print the id of its conversation.

    Example: whimbrel group create --as alice "bird watchers" bob carol
    """
    access = access_of(as_user, endpoint, token, data, ca)

    async def run() -> str:
        async with connected(access, "cli-group") as client:
            return await client.create_group(members, name=name)

    conversation = asyncio.run(run())
    typer.echo(json.dumps({"conversation_id": conversation}) if as_json else conversation)


@group.command("members")
def list_members(
    conversation: Conversation,
    as_user: As = None,
    as_json: Json = False,
    endpoint: Endpoint = None,
    ca: Ca = None,
    token: Token = None,
    data: Data = None,
) -> None:
    """List the members of a conversation that you are in, one a line.

    Example: whimbrel group members --as alice g:5f3a
    """
    access = access_of(as_user, endpoint, token, data, ca)

    async def run() -> list[str]:
        async with connected(access, "cli-group") as client:
            return list(await client.members(conversation))

    members = asyncio.run(run())
    typer.echo(json.dumps(members) if as_json else "\n".join(members))


@group.command()
def show(conversation: Conversation, by: By, data: Data = None, as_json: Json = False) -> None:
    """Show a group as one of its members sees it.

    Example: whimbrel group show g:5f3a --as alice
    """
    from whimbrel.api.groups.v1 import groups_pb2

    request = groups_pb2.GetGroupRequest(caller_id=by, conversation_id=conversation)
    found = ask_group(data, lambda stub: stub.GetGroup, request).group
    if as_json:
        typer.echo(json.dumps(group_json(found)))
        return
    for line in group_lines(found):
        typer.echo(line)


@group.command()
def invite(
    conversation: Conversation,
    users: Annotated[list[str], typer.Argument(metavar="USER...", help="Whom to bring in.")],
    by: By,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Bring users in; those who are in already stay as they are.

    Example: whimbrel group invite g:5f3a dora erin --as alice
    """
    from whimbrel.api.groups.v1 import groups_pb2

    request = groups_pb2.InviteMembersRequest(**change(by, conversation), user_ids=users)
    changed = ask_group(data, lambda stub: stub.InviteMembers, request).group
    say_changed(
        changed, f"{', '.join(users)}: invited, {len(changed.members)} members", as_json=as_json
    )


@group.command()
def leave(conversation: Conversation, by: By, data: Data = None, as_json: Json = False) -> None:
    """Leave a group; its owner transfers it first.

    Example: whimbrel group leave g:5f3a --as bob
    """
    from whimbrel.api.groups.v1 import groups_pb2

    request = groups_pb2.LeaveGroupRequest(**change(by, conversation))
    ask_group(data, lambda stub: stub.LeaveGroup, request)
    say_gone(conversation, "left", as_json=as_json)


@group.command()
def remove(
    conversation: Conversation, user: User, by: By, data: Data = None, as_json: Json = False
) -> None:
    """Remove a member whose role is lower than that of --as.

    Example: whimbrel group remove g:5f3a mallory --as alice
    """
    from whimbrel.api.groups.v1 import groups_pb2

    request = groups_pb2.RemoveMemberRequest(**change(by, conversation), user_id=user)
    changed = ask_group(data, lambda stub: stub.RemoveMember, request).group
    say_changed(changed, f"{user}: removed, {len(changed.members)} members", as_json=as_json)


@group.command("role")
def set_role(
    conversation: Conversation,
    user: User,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="member or admin.")],
    by: By,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a member an admin, or an admin a member again. For the owner.

    Example: whimbrel group role g:5f3a bob admin --as alice
    """
    from whimbrel.api.groups.v1 import groups_pb2

    wanted = groups_pb2.ROLE_ADMIN if role is Role.ADMIN else groups_pb2.ROLE_MEMBER
    request = groups_pb2.SetRoleRequest(**change(by, conversation), user_id=user, role=wanted)
    changed = ask_group(data, lambda stub: stub.SetRole, request).group
    say_changed(changed, f"{user}: {role}", as_json=as_json)


@group.command()
def mute(
    conversation: Conversation,
    by: By,
    user: Annotated[
        str | None,
        typer.Argument(metavar="[USER]", help="Whom. Default: everybody but the admins."),
    ] = None,
    span: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="SPAN", help="30m, 12h, 7d. Default: for ever.", show_default=False
        ),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="End a mute.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Mute a member, or everybody but the admins; or end that.

    Examples:

        whimbrel group mute g:5f3a mallory --for 12h --as alice

        whimbrel group mute g:5f3a --lift --as alice
    """
    from whimbrel.api.groups.v1 import groups_pb2

    if lift and span is not None:
        raise typer.BadParameter("give one of --for and --lift")
    until_ms = FOR_EVER_MS
    if span is not None:
        until_ms = round((time.time() + seconds_of(span)) * 1000)
    if lift:
        until_ms = 0
    request = groups_pb2.MuteRequest(
        **change(by, conversation), user_id=user or "", until_ms=until_ms
    )
    changed = ask_group(data, lambda stub: stub.Mute, request).group
    say_changed(
        changed, f"{user or 'everybody'}: {muted(until_ms) or 'not muted'}", as_json=as_json
    )


@group.command()
def dissolve(conversation: Conversation, by: By, data: Data = None, as_json: Json = False) -> None:
    """End a group; what was said stays with those who were in it. For the owner.

    Example: whimbrel group dissolve g:5f3a --as alice
    """
    from whimbrel.api.groups.v1 import groups_pb2

    request = groups_pb2.DissolveGroupRequest(**change(by, conversation))
    ask_group(data, lambda stub: stub.DissolveGroup, request)
    say_gone(conversation, "dissolved", as_json=as_json)
