"""The undelivered index without Redis, with the same rules; it can be lost too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex

from services.logic.domain.history import Trimmed, Waiting, WaitingMessage
from services.logic.domain.model import UndeliveredEntry


@dataclass(slots=True)
class _User:
    cursor: int = 0
    reads: dict[str, int] = field(default_factory=dict)
    pulls: dict[str, int] = field(default_factory=dict)
    entries: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    is_whole: bool = False
    rebuild: str = ""

    def mark(self, conversation: str) -> int:
        read, pulled = self.reads.get(conversation, 0), self.pulls.get(conversation, 0)
        return max(self.cursor, read, pulled)

    def drop_passed(self) -> None:
        for conversation, seqs in list(self.entries.items()):
            mark = self.mark(conversation)
            for message_id in [one for one, seq in seqs.items() if seq <= mark]:
                del seqs[message_id]
            if not seqs:
                del self.entries[conversation]


class MemoryUndeliveredIndex:
    """The port UndeliveredIndex, and UndeliveredMarks."""

    def __init__(self) -> None:
        self._users: dict[str, _User] = defaultdict(_User)

    def lose_everything(self) -> None:
        """What FLUSHALL does to the real one."""
        self._users.clear()

    async def add(self, entries: Sequence[UndeliveredEntry]) -> None:
        for user, conversation, message_id, seq in entries:
            known = self._users[user]
            if seq > known.mark(conversation):
                known.entries[conversation].setdefault(message_id, seq)

    async def acknowledged(self, cursors: Mapping[str, int]) -> None:
        for user, cursor in cursors.items():
            known = self._users[user]
            known.cursor = max(known.cursor, cursor)
            known.drop_passed()

    async def read_up_to(self, user: str, marks: Mapping[str, int]) -> None:
        known = self._users[user]
        for conversation, seq in marks.items():
            known.reads[conversation] = max(seq, known.reads.get(conversation, 0))
        known.drop_passed()

    async def pulled_up_to(self, user: str, marks: Mapping[str, int]) -> dict[str, Trimmed]:
        known = self._users[user]
        before = {conversation: len(known.entries.get(conversation, ())) for conversation in marks}
        for conversation, seq in marks.items():
            known.pulls[conversation] = max(seq, known.pulls.get(conversation, 0))
        known.drop_passed()
        left = {conversation: len(known.entries.get(conversation, ())) for conversation in marks}
        return {name: Trimmed(before[name] - left[name], left[name]) for name in marks}

    async def incomplete(self, users: Iterable[str]) -> set[str]:
        return {user for user in users if not self._users[user].is_whole}

    async def doubt(self, users: Iterable[str]) -> None:
        for user in users:
            self._users[user].is_whole = False
            self._users[user].rebuild = ""

    async def begin_rebuild(self, user: str) -> str:
        token = token_hex(8)
        self._users[user].rebuild = token
        return token

    async def finish_rebuild(self, user: str, token: str) -> bool:
        known = self._users[user]
        if known.rebuild != token:
            return False
        known.rebuild = ""
        known.is_whole = True
        return True

    async def find(self, user: str) -> dict[str, list[int]]:
        return {
            conversation: sorted(seqs, key=lambda message_id: (seqs[message_id], message_id))
            for conversation, seqs in sorted(self._users[user].entries.items())
        }

    async def counts(self, user: str) -> dict[str, int]:
        return {name: len(seqs) for name, seqs in self._users[user].entries.items()}

    async def waiting(self, user: str, conversations: int, messages: int) -> list[Waiting]:
        found = []
        for name, seqs in list(self._users[user].entries.items())[:conversations]:
            ordered = sorted(seqs.items(), key=lambda item: (item[1], str(item[0])))
            first = tuple(WaitingMessage(one, seq) for one, seq in ordered[:messages])
            found.append(Waiting(name, len(seqs), first))
        return found
