"""Which messages come late: one integer per conversation (rule 7).

The order of a conversation is that of message_id. A timeline follows it, except for an entry
whose message_id is lower than one that the timeline already has for that conversation. Pure.
"""

from __future__ import annotations

from collections import OrderedDict


class Lateness:
    """The highest message_id of each conversation seen so far.

    Memory is bounded: beyond `capacity` the conversation that was silent longest is forgotten.
    Of a conversation that is not known (forgotten, or before the start of this process) the
    server's hint decides, which is true for every entry that was not written at its first seq.
    The consequence: there a message may be called late that is not, which costs the application
    one look-up; and one that only the change of the writing pod made late may not be called so.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("room for one conversation at least")
        self._capacity = capacity
        self._highest: OrderedDict[str, int] = OrderedDict()

    def see(self, conversation_id: str, message_id: int, *, hint: bool) -> bool:
        """Note a message, in the order of seq; return whether it is late."""
        highest = self._highest.get(conversation_id)
        if highest is None:
            self._highest[conversation_id] = message_id
            if len(self._highest) > self._capacity:
                self._highest.popitem(last=False)
            return hint
        self._highest.move_to_end(conversation_id)
        if message_id < highest:
            return True
        self._highest[conversation_id] = message_id
        return False

    def __len__(self) -> int:
        return len(self._highest)
