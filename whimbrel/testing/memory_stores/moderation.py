"""Bans, risks, words and cases without MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.logic.domain.risk import Risk
from services.logic.domain.words import Action
from services.logic.moderation_ports import Ban, Flagged, Report, WordBook
from services.logic.social_ports import Changes
from whimbrel.testing.memory_stores.facts import MemoryChanges
from whimbrel.testing.memory_stores.faults import Faults, Pause


class MemoryBanList:
    """The port BanList, and `ban`, which is the gateway's part. Operations for `faults`: find."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self._bans: dict[str, Ban] = {}
        self._changes = MemoryChanges()

    async def prepare(self) -> None:
        """Nothing to create."""

    def ban(self, user: str, until_ms: int | None) -> None:
        """Ban the user until then; None is for ever, 0 lifts it."""
        self._bans[user] = Ban(until_ms)
        self._changes.note(user)

    async def find(self, keys: Collection[str]) -> Mapping[str, Ban]:
        async with self.faults.around("find"):
            return {user: self._bans[user] for user in keys if user in self._bans}

    async def changed(self, mark: object) -> Changes:
        return self._changes.since(mark)

    def key_of(self, name: str) -> str:
        return name


class MemoryRiskStore:
    """The port RiskStore. Operations for `faults`: find, replace."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self._risks: dict[str, Risk] = {}
        self._changes = MemoryChanges()

    async def prepare(self) -> None:
        """Nothing to create."""

    async def find(self, keys: Collection[str]) -> Mapping[str, Risk]:
        async with self.faults.around("find"):
            return {user: self._risks[user] for user in keys if user in self._risks}

    async def changed(self, mark: object) -> Changes:
        return self._changes.since(mark)

    def key_of(self, name: str) -> str:
        return name

    async def replace(self, user: str, risk: Risk) -> bool:
        async with self.faults.around("replace"):
            known = self._risks.get(user)
            if (known.version if known else 0) != risk.version:
                return False
            self._risks[user] = risk._replace(version=risk.version + 1)
            self._changes.note(user)
            return True


class MemoryWordStore:
    """The port WordStore."""

    def __init__(self) -> None:
        self._words: dict[str, Action] = {}
        self._version = 0

    async def prepare(self) -> None:
        """Nothing to create."""

    async def version(self) -> int:
        return self._version

    async def load(self) -> WordBook:
        return WordBook(self._version, dict(self._words))

    async def put(self, words: Mapping[str, Action]) -> None:
        self._words.update(words)
        self._version += 1

    async def remove(self, words: Collection[str]) -> None:
        for word in words:
            self._words.pop(word, None)
        self._version += 1

    async def replace(self, words: Mapping[str, Action]) -> None:
        self._words = dict(words)
        self._version += 1

    async def page(self, after: str, limit: int) -> list[tuple[str, Action]]:
        return [(word, self._words[word]) for word in sorted(self._words) if word > after][:limit]


class MemoryCaseStore:
    """The port CaseStore."""

    def __init__(self) -> None:
        self._reports: dict[tuple[str, str], Report] = {}
        self._flagged: dict[tuple[str, str, str], Flagged] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def report(self, report: Report, *, counts_after_ms: int) -> bool:
        before = self._reports.get((report.reporter, report.user))
        self._reports[report.reporter, report.user] = report
        return before is None or before.at_ms < counts_after_ms

    async def flag(self, flagged: Sequence[Flagged]) -> None:
        for one in flagged:
            self._flagged.setdefault((one.sender, one.device, one.client_message_id), one)

    async def reports(self, before_ms: int, limit: int) -> list[Report]:
        newest = sorted(self._reports.values(), key=lambda one: one.at_ms, reverse=True)
        return [one for one in newest if one.at_ms < before_ms][:limit]

    async def flags(self, before_ms: int, limit: int) -> list[Flagged]:
        newest = sorted(self._flagged.values(), key=lambda one: one.at_ms, reverse=True)
        return [one for one in newest if one.at_ms < before_ms][:limit]
