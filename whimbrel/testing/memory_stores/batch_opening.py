"""Epochs and seqs at once, from the memory of sends and the reservations beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.logic.ports import SendMemory, SeqReservations


class MemoryBatchOpening:
    """The port BatchOpening over two others; their faults and losses are its own."""

    def __init__(self, memory: SendMemory, reservations: SeqReservations) -> None:
        self._memory = memory
        self._reservations = reservations
        self.opened = 0
        """How often it was asked."""

    async def open(
        self, devices: Sequence[tuple[str, str]], counts: Mapping[str, int]
    ) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
        self.opened += 1
        _, epochs = await self._memory.look_up((), devices)
        return epochs, await self._reservations.reserve(counts)
