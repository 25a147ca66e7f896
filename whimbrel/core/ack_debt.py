"""What a device owes its server: which ack is due, since when, and whether the last was heard.

One ack for much is right: it costs as much as a message. It waits for company, unless half a
window is owed, which the server waits for. Lives as long as the inbox, through all its streams;
what is handled and what has come is the inbox's to say (`target`). Pure: `now` is monotonic
seconds.
"""

from __future__ import annotations

from whimbrel.core.inbox_types import InboxLimits


class AckDebt:
    """The acks of one device.

    Invariant: on one stream `acked` only rises, and is at most the `target` that was given.
    """

    def __init__(self, limits: InboxLimits) -> None:
        self._limits = limits
        self.acked = 0
        """The last ack of this stream."""
        self.confirmed = 0
        """The server has stored an ack up to here."""
        self._half_messages = 128
        self._half_bytes = 128 * 1024
        self._finished_bytes = 0
        self._since: float | None = None
        self._last_of_others = 0
        self._is_hasty = False  # the application leaves: it waits for the confirmation
        self._is_unheard = False  # the server repeats what was acknowledged on this stream

    # --- streams ---------------------------------------------------------------------

    def attached(self, first_seq: int, window_messages: int, window_bytes: int) -> None:
        """A stream on which `first_seq` is the first that comes."""
        self._half_messages = max(1, (window_messages + 1) // 2)
        self._half_bytes = max(1, (window_bytes + 1) // 2)
        self.acked = self.confirmed = first_seq - 1
        self._is_unheard = self._is_hasty = False
        self._finished_bytes = 0
        self._since = None

    def detached(self) -> None:
        """The stream is gone."""
        self._since = None

    def forget(self) -> None:
        """The server does not know our seqs."""
        self.acked = self.confirmed = 0

    # --- inputs ----------------------------------------------------------------------

    def came(self, seq: int) -> None:
        """An entry that is not the device's own message is in its place."""
        self._last_of_others = seq

    def finished(self, size: int) -> None:
        """The application has done with so many bytes."""
        self._finished_bytes += size

    def unheard(self) -> None:
        """The server has not got the last ack."""
        self._is_unheard = True

    def confirm(self, cursor: int) -> None:
        """An AckConfirmed."""
        self.confirmed = max(self.confirmed, cursor)

    def note(self, target: int, now: float) -> None:
        """Everything up to `target` may be acknowledged: the debt begins, if there is one."""
        if self._since is None and self.owes(target):
            self._since = now

    # --- outputs ---------------------------------------------------------------------

    @property
    def awaits_confirmation(self) -> bool:
        """Whether an ack of this stream is on its way."""
        return self.confirmed < self.acked

    @property
    def has_begun(self) -> bool:
        """Whether `note` has nothing to note: the time of what is owed counts already."""
        return self._since is not None

    @property
    def is_missed(self) -> bool:
        """Whether the server waits for the ack that is owed: not for that of our own messages."""
        return self._is_unheard or self._last_of_others > self.acked

    def owes(self, target: int) -> bool:
        """Whether `target` is news to the server."""
        return self._is_unheard or target > self.acked

    def due_at(self, target: int) -> float | None:
        """When to acknowledge `target`; None while nothing is owed."""
        since = self._since
        if since is None:
            return None
        if target - self.acked >= self._half_messages or self._finished_bytes >= self._half_bytes:
            return since
        limits = self._limits
        return since + (
            limits.ack_delay_seconds if self.is_missed else limits.own_ack_delay_seconds
        )

    def take(self, target: int, now: float, *, flush: bool) -> bool:
        """Whether to acknowledge `target` now; it counts as acknowledged from here on.

        `flush`: without a delay, and once more when its confirmation has not come.
        """
        at = self.due_at(target)
        is_due = at is not None and (flush or now >= at)
        is_asking = flush and not self._is_hasty and self.awaits_confirmation
        if not (is_due or is_asking):
            return False
        self._is_hasty = flush
        self.acked = target
        self._is_unheard = False
        self._since = None
        self._finished_bytes = 0
        return True
