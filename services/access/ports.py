"""What an Access pod needs of the world beside Router and Logic. Each port has a memory adapter,
and one contract suite that all its adapters pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class BanList(Protocol):
    """The addresses that the pods keep out together. May lose everything at any time: the pods
    that decided say it again."""

    async def extend(self, bans: Mapping[str, float]) -> None:
        """Ban these addresses for so many more seconds; a ban is never shortened. UNAVAILABLE
        when nobody answers; saying it again is harmless."""

    async def read(self) -> dict[str, float]:
        """Every address that is banned, with the seconds that remain, the one that ends last
        last; at most 10,000. UNAVAILABLE when nobody answers."""
