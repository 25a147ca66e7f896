"""When to fetch what is missing at the front of a session, and how old the hole is.

Two kinds of missing: "not here yet" (a reader that is behind fetches page after page) and
"not there" (a hole in the timeline, whose age decides when Logic writes a void). Pure.
"""

from __future__ import annotations


class Gap:
    """The timer of one missing seq, with at most one fetch outstanding.

    The age counts from the moment when the seq was known to be missing below an entry that
    exists: at once for a live session (something later was pushed), after an empty answer for
    one that is merely behind.
    """

    __slots__ = (
        "_fetch_at",
        "_fetched_seq",
        "_first",
        "_outstanding",
        "_patient_until",
        "_retry",
        "_seq",
        "_since",
    )

    def __init__(self, first_seconds: float, retry_seconds: float) -> None:
        self._first = first_seconds
        self._retry = retry_seconds
        self._seq = 0
        self._since: float | None = None
        self._fetch_at = 0.0
        self._fetched_seq = 0
        self._outstanding = False
        self._patient_until = 0.0

    @property
    def outstanding(self) -> bool:
        """Whether a fetch was taken and not answered."""
        return self._outstanding

    @property
    def fetch_at(self) -> float | None:
        """When to fetch next; None when nothing is missing or a fetch is outstanding."""
        return self._fetch_at if self._seq and not self._outstanding else None

    def watch(self, seq: int, now: float, *, live: bool) -> None:
        """`seq` is missing. A live session waits a little first: pushes overtake each other."""
        if seq == self._seq:
            return
        self._seq = seq
        self._since = now if live else None
        self._fetch_at = max(now + self._first, self._patient_until) if live else now

    def be_patient(self, until: float) -> None:
        """What is missing is probably on its way: a live session does not ask for it before."""
        self._patient_until = until

    def close(self) -> None:
        """Nothing is missing."""
        self._seq = 0
        self._since = None

    def take(self, now: float) -> float:
        """A fetch of the missing seq goes out; return the age of the hole in seconds."""
        if self._outstanding or not self._seq:
            raise ValueError("nothing to fetch now")
        self._outstanding = True
        self._fetched_seq = self._seq
        return 0.0 if self._since is None else max(0.0, now - self._since)

    def answered(self, now: float, *, front: int, empty: bool) -> None:
        """The fetch was answered, and the session stands at `front` now.

        An empty answer for the seq that is still missing makes it a hole; an answer that
        moved the front means that the next page can be fetched at once.
        """
        self._outstanding = False
        stuck = front == self._fetched_seq
        if not stuck:
            self._seq = front
            self._since = None
            self._fetch_at = now
            return
        if empty and self._since is None:
            self._since = now
        self._fetch_at = now + self._retry

    def failed(self, now: float) -> None:
        """The fetch was not answered, or refused: try again a little later."""
        self._outstanding = False
        self._fetch_at = now + self._retry
