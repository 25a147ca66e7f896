"""Which messages come late: one integer per conversation (rule 7).

The order of a conversation is that of message_id. A timeline follows it, except for an entry
whose message_id is lower than one that the timeline already has for that conversation. Pure.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Final

REMEMBERED_CONVERSATIONS: Final = 4_096
"""Conversations whose highest message_id a client keeps, in memory and in its store."""
_UNSETTLED_MESSAGES: Final = 4_096
"""Room for four windows of what waits for the application. A client that sends more than that
while its application reads nothing keeps the newest only, for the start after this one."""


class Lateness:
    """The highest message_id of each conversation seen so far, over all starts of the client.

    `highest` is what an earlier start has kept with its cursor, the conversation seen last at
    the end. What is seen beyond the cursor is told by `passed` when the cursor passes it, and
    not before: it comes again after a restart, and must not be late then for having come before.

    Memory is bounded: beyond `capacity` the conversation that was silent longest is forgotten.
    Of a conversation that is not known (forgotten, or never seen by this device) the server's
    hint decides, which is true for every entry that was not written at its first seq.
    The consequence: there a message may be called late that is not, which costs the application
    one look-up; and one that only the change of the writing pod made late may not be called so.
    """

    def __init__(self, capacity: int, highest: Mapping[str, int] | None = None) -> None:
        if capacity < 1:
            raise ValueError("room for one conversation at least")
        self._capacity = capacity
        self._highest: OrderedDict[str, int] = OrderedDict(highest or {})
        while len(self._highest) > capacity:
            self._highest.popitem(last=False)
        self._unsettled: deque[tuple[int, str, int]] = deque(maxlen=_UNSETTLED_MESSAGES)

    def see(self, seq: int, conversation_id: str, message_id: int, *, hint: bool) -> bool:
        """Note a message, in the order of seq; return whether it is late."""
        highest = self._highest.get(conversation_id)
        is_late = hint if highest is None else message_id < highest
        if highest is None or not is_late:
            highest = message_id
        self._highest[conversation_id] = highest
        self._highest.move_to_end(conversation_id)
        if len(self._highest) > self._capacity:
            self._highest.popitem(last=False)
        self._unsettled.append((seq, conversation_id, highest))
        return is_late

    def passed(self, cursor: int) -> dict[str, int]:
        """What a store is to keep together with this cursor: the highest message_id, up to
        there, of each conversation that the cursor has passed beyond the settled one; the
        conversation seen last at the end."""
        passed: dict[str, int] = {}
        for seq, conversation_id, highest in self._unsettled:
            if seq > cursor:
                break
            passed.pop(conversation_id, None)
            passed[conversation_id] = highest
        return passed

    def settle(self, cursor: int) -> None:
        """The store has what `passed` gave for this cursor."""
        while self._unsettled and self._unsettled[0][0] <= cursor:
            self._unsettled.popleft()

    def __len__(self) -> int:
        return len(self._highest)
