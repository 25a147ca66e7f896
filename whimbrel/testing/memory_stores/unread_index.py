"""The unread counts without Redis, with the same rules; they can be lost too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex

from services.logic.domain.history import MAX_COUNTED, ConversationState, UnreadEntry
from whimbrel.testing.memory_stores.faults import Faults


@dataclass(slots=True)
class _User:
    reads: dict[str, int] = field(default_factory=dict)
    seqs: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    latest: dict[str, int] = field(default_factory=dict)
    is_counted: bool = False
    recount: str = ""


class MemoryUnreadIndex:
    """The port UnreadIndex. Operations for `faults`: add, doubt."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._users: dict[str, _User] = defaultdict(_User)

    def lose_everything(self) -> None:
        """What FLUSHALL does to the real one."""
        self._users.clear()

    async def add(self, entries: Sequence[UnreadEntry]) -> None:
        async with self.faults.around("add"):
            for user, conversation, message_id, seq, is_own in entries:
                known = self._users[user]
                latest = known.latest.get(conversation, 0)
                known.latest[conversation] = max(message_id, latest)
                if not is_own and seq > known.reads.get(conversation, 0):
                    seqs = known.seqs[conversation]
                    seqs.add(seq)
                    if len(seqs) > MAX_COUNTED:
                        seqs.discard(min(seqs))

    async def read_up_to(self, user: str, marks: Mapping[str, int]) -> None:
        known = self._users[user]
        for conversation, seq in marks.items():
            mark = max(seq, known.reads.get(conversation, 0))
            known.reads[conversation] = mark
            unread = known.seqs[conversation]
            unread -= {one for one in unread if one <= mark}

    async def incomplete(self, users: Iterable[str]) -> set[str]:
        return {user for user in users if not self._users[user].is_counted}

    async def doubt(self, users: Iterable[str]) -> None:
        async with self.faults.around("doubt"):
            for user in users:
                self._users[user].is_counted = False
                self._users[user].recount = ""

    async def begin_rebuild(self, user: str) -> str:
        token = token_hex(8)
        self._users[user].recount = token
        return token

    async def finish_rebuild(self, user: str, token: str) -> bool:
        known = self._users[user]
        if known.recount != token:
            return False
        known.recount = ""
        known.is_counted = True
        return True

    async def state(self, user: str) -> dict[str, ConversationState]:
        known = self._users[user]
        return {
            name: ConversationState(len(known.seqs.get(name, ())), latest)
            for name, latest in known.latest.items()
        }
