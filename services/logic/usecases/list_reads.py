"""How far the members of a conversation have read: what repairs a lost read receipt."""

from __future__ import annotations

from services.logic.domain.model import ReadReceipt
from services.logic.reading_ports import ReceiptStore
from services.logic.usecases.groups import Groups


class ListReads:
    """One cursor per member who has read anything."""

    def __init__(self, groups: Groups, receipts: ReceiptStore) -> None:
        self._groups = groups
        self._receipts = receipts

    async def list(self, caller: str, conversation: str) -> list[ReadReceipt]:
        """Of the present members, in the order in which they joined. Raises as
        `Groups.members`."""
        members = await self._groups.members(caller, conversation)
        cursors = await self._receipts.find(conversation)
        return [
            ReadReceipt(user, conversation, cursors[user]) for user in members if user in cursors
        ]
