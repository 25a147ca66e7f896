"""Read receipts without MongoDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from services.logic.domain.model import ReadReceipt
from whimbrel.testing.memory_stores.faults import Faults


class MemoryReceiptStore:
    """The port ReceiptStore. Operations for `faults`: raise_all, find."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._cursors: dict[str, dict[str, int]] = defaultdict(dict)

    async def raise_all(self, receipts: Sequence[ReadReceipt]) -> None:
        async with self.faults.around("raise_all"):
            for user, conversation, message_id in receipts:
                cursors = self._cursors[conversation]
                cursors[user] = max(message_id, cursors.get(user, 0))

    async def find(self, conversation: str) -> dict[str, int]:
        async with self.faults.around("find"):
            return dict(self._cursors[conversation])
