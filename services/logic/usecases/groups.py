"""Small groups: create one, list its members. (`manage_group` changes them.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from services.logic.ports import ConversationStore
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.core.names import check_name, direct_participants

MAX_MEMBERS = 1000
MAX_NAME = 128


class Groups:
    """Both calls can be repeated."""

    def __init__(self, conversations: ConversationStore, *, wall_ms: Callable[[], int]) -> None:
        self._conversations = conversations
        self._wall_ms = wall_ms

    async def create(
        self, owner: str, members: Sequence[str], name: str, client_group_id: str
    ) -> str:
        """Create a group of the owner and these members; its conversation id.

        The same (owner, client_group_id) names the same group, whatever the rest says then.
        Raises INVALID_ARGUMENT for a bad name, no members, repeats or too many.
        """
        check_name(owner, "owner_id")
        check_name(client_group_id, "client_group_id")
        for member in members:
            check_name(member, "member_ids")
        everybody = [owner, *members]
        if not members or len(set(everybody)) != len(everybody):
            raise invalid("member_ids must name at least one other user, each once")
        if len(everybody) > MAX_MEMBERS:
            raise invalid(f"a group has at most {MAX_MEMBERS} members, not {len(everybody)}")
        if len(name) > MAX_NAME:
            raise invalid(f"a group's name has at most {MAX_NAME} characters, not {len(name)}")
        digest = blake2b(f"{owner}/{client_group_id}".encode(), digest_size=12).hexdigest()
        conversation = f"g:{digest}"
        await self._conversations.create_group(conversation, owner, members, name, self._wall_ms())
        return conversation

    async def members(self, caller: str, conversation: str) -> tuple[str, ...]:
        """The members, in the order in which they joined. Raises UNKNOWN_CONVERSATION, or
        NOT_A_MEMBER when the caller is not one of them."""
        users: tuple[str, ...] | None = direct_participants(conversation)
        if users is None:
            users = (await self._conversations.participants([conversation])).get(conversation)
        if users is None:
            raise WhimbrelError(
                ErrorCode.UNKNOWN_CONVERSATION, f"no conversation has the id {conversation!r}"
            )
        if caller not in users:
            raise WhimbrelError(
                ErrorCode.NOT_A_MEMBER, f"{caller} is not a member of {conversation}"
            )
        return users
