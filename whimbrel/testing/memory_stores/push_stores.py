"""What push knows of wakes, devices and people, without Redis and MongoDB."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

from services.push.domain.quiet_hours import QuietHours
from services.push.domain.sifting import Marks, Placed
from services.push.domain.wakes import Wake, WakeKey
from services.push.wake_ports import DeadLetter, PushDevice, Unread
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore
from whimbrel.testing.memory_stores.read_store import MemoryReadStore
from whimbrel.testing.memory_stores.settings_store import MemorySettingsStore
from whimbrel.testing.memory_stores.unread_index import MemoryUnreadIndex


class MemoryWakeMemory:
    """The port WakeMemory; remembers for ever."""

    def __init__(self) -> None:
        self._sent: dict[WakeKey, int] = {}

    async def recent(self, keys: Sequence[WakeKey]) -> dict[WakeKey, int]:
        return {key: self._sent[key] for key in keys if key in self._sent}

    async def remember(self, wakes: Collection[Wake]) -> None:
        self._sent |= {wake.key: wake.seq for wake in wakes}


class MemoryDeadLetters:
    """The port DeadLetters."""

    def __init__(self, *, max_letters: int = 10_000) -> None:
        self._letters: deque[DeadLetter] = deque(maxlen=max_letters)
        self._added = 0

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self._added += 1
            self._letters.append(letter._replace(letter_id=f"{letter.at_ms}-{self._added}"))

    async def newest(self, before: str, limit: int) -> list[DeadLetter]:
        if before:
            _check(before)
        newest = sorted(self._letters, key=lambda one: _order(one.letter_id), reverse=True)
        below = [one for one in newest if not before or _order(one.letter_id) < _order(before)]
        return below[:limit]

    async def find(self, letter_ids: Sequence[str]) -> list[DeadLetter]:
        for letter_id in letter_ids:
            _check(letter_id)
        by_id = {one.letter_id: one for one in self._letters}
        return [by_id[letter_id] for letter_id in letter_ids if letter_id in by_id]

    async def remove(self, letter_ids: Sequence[str]) -> None:
        kept = [one for one in self._letters if one.letter_id not in letter_ids]
        self._letters = deque(kept, maxlen=self._letters.maxlen)

    async def length(self) -> int:
        return len(self._letters)


class MemoryDevices:
    """The port DeviceStore."""

    def __init__(self, devices: Iterable[PushDevice] = ()) -> None:
        self.devices = {(one.user, one.device): one for one in devices}

    async def of_users(self, users: Collection[str]) -> dict[str, list[PushDevice]]:
        found: dict[str, list[PushDevice]] = {}
        for one in self.devices.values():
            if one.user in users and one.token:
                found.setdefault(one.user, []).append(one)
        return found

    async def find(self, devices: Collection[tuple[str, str]]) -> dict[tuple[str, str], PushDevice]:
        return {
            pair: self.devices[pair]
            for pair in devices
            if pair in self.devices and self.devices[pair].token
        }

    async def forget_token(self, device: PushDevice) -> bool:
        pair = device.user, device.device
        if self.devices.get(pair) != device:
            return False
        self.devices[pair] = device._replace(provider="", token="")
        return True


class MemoryMarks:
    """The port MarkStore, over what Logic's stores hold."""

    def __init__(self) -> None:
        self.cursors = MemoryCursorStore()
        self.reads = MemoryReadStore()
        self.pulls = MemoryReadStore()
        self.settings = MemorySettingsStore()

    async def find(self, placed: Iterable[Placed]) -> Marks:
        pairs = {(one.user, one.conversation) for one in placed}
        passed: dict[tuple[str, str], int] = {}
        for store in (self.reads, self.pulls):
            for user, conversation in pairs:
                if seq := (await store.find(user)).get(conversation):
                    passed[user, conversation] = max(seq, passed.get((user, conversation), 0))
        return Marks(
            await self.cursors.highest({user for user, _ in pairs}),
            passed,
            await self.settings.muted(pairs),
        )


class MemoryUnreadCounts:
    """The port UnreadCounts, over Logic's index."""

    def __init__(self) -> None:
        self.index = MemoryUnreadIndex()

    async def find(self, users: Collection[str]) -> dict[str, Unread]:
        found = {}
        for user in set(users) - await self.index.incomplete(users):
            states = await self.index.state(user)
            counts = {name: one.unread for name, one in states.items() if one.unread}
            found[user] = Unread(sum(counts.values()), counts)
        return found


class MemoryWishes:
    """The port Wishes."""

    def __init__(self) -> None:
        self.hours: dict[str, QuietHours] = {}
        self.shown: dict[str, str] = {}

    async def quiet_hours(self, users: Collection[str]) -> dict[str, QuietHours]:
        return {user: self.hours[user] for user in users if user in self.hours}

    async def names(self, users: Collection[str]) -> dict[str, str]:
        return {user: self.shown[user] for user in users if user in self.shown}


def _order(letter_id: str) -> tuple[int, int]:
    at, _, number = letter_id.partition("-")
    return int(at), int(number)


def _check(letter_id: str) -> None:
    at, dash, number = letter_id.partition("-")
    if not (dash and at.isdigit() and number.isdigit()):
        raise WhimbrelError(ErrorCode.INVALID_ARGUMENT, f"{letter_id!r} is no dead letter's id")
