"""A group as `whimbrel group` shows it, to programs and to people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from whimbrel.cli.spans import until

if TYPE_CHECKING:
    from whimbrel.api.groups.v1 import groups_pb2

FOR_EVER_MS: Final = 2**53 - 1
"""The end of a mute without an end: the largest integer that every JSON reader keeps."""


def group_json(group: groups_pb2.Group) -> dict[str, Any]:
    """A group with the names that it has over HTTP; times are strings, as everywhere here."""
    from whimbrel.api.groups.v1 import groups_pb2

    def name(enum: Any, value: int) -> str:
        return str(enum.Name(value)).partition("_")[2].lower()

    return {
        "conversation_id": group.conversation_id,
        "name": group.name,
        "announcement": group.announcement,
        "created_ms": str(group.created_ms),
        "version": group.version,
        "members": [
            {
                "user_id": one.user_id,
                "role": name(groups_pb2.Role, one.role),
                "joined_ms": str(one.joined_ms),
                "muted_until_ms": str(one.muted_until_ms),
            }
            for one in group.members
        ],
        "all_muted_until_ms": str(group.all_muted_until_ms),
        "joining": name(groups_pb2.Joining, group.joining),
        "members_may_invite": group.members_may_invite,
        "waiting_ids": list(group.waiting_ids),
    }


def group_lines(group: groups_pb2.Group) -> list[str]:
    """The same for a person."""
    told = group_json(group)
    # A name may hold anything, also what would move a terminal's cursor.
    name = "".join(one if one.isprintable() else " " for one in group.name)
    lines = [f"{group.conversation_id}  {name}", f"joining: {told['joining']}"]
    if all_muted := muted(group.all_muted_until_ms):
        lines.append(f"everybody but the admins is {all_muted}")
    for one, member in zip(group.members, told["members"], strict=True):
        quiet = muted(one.muted_until_ms)
        lines.append(f"  {one.user_id}  {member['role']}{f', {quiet}' if quiet else ''}")
    lines += [f"  {user}  waits to be let in" for user in group.waiting_ids]
    return lines


def muted(until_ms: int) -> str:
    """As a sentence goes on; empty for who is not, or no more."""
    if until_ms <= time.time() * 1000:
        return ""
    return "muted for ever" if until_ms == FOR_EVER_MS else f"muted {until(until_ms)}"
