"""What a small batch needs of Redis at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class BatchOpening(Protocol):
    """Newest epochs (of SendMemory) and seqs (of SeqReservations), in one round trip."""

    async def open(
        self, devices: Sequence[tuple[str, str]], counts: Mapping[str, int]
    ) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
        """The newest epoch known of each (user, device), and the first of the seqs that were
        reserved for each user. What is not known is absent. At most 1,000 users. Raises
        UNAVAILABLE with outcome_unknown: seqs may have been reserved."""
        ...
