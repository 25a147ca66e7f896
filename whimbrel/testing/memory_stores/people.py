"""The stores about people, without MongoDB, all at once."""

from __future__ import annotations

from services.logic.people_parts import PeopleStores
from whimbrel.testing.memory_stores.facts import MemoryPrivacyStore, MemoryRelationStore
from whimbrel.testing.memory_stores.moderation import (
    MemoryBanList,
    MemoryCaseStore,
    MemoryRiskStore,
    MemoryWordStore,
)


def memory_people() -> PeopleStores:
    """Empty ones."""
    return PeopleStores(
        relations=MemoryRelationStore(),
        privacy=MemoryPrivacyStore(),
        bans=MemoryBanList(),
        risks=MemoryRiskStore(),
        words=MemoryWordStore(),
        cases=MemoryCaseStore(),
    )
