"""A batch of jobs: what is sent, what is finished, what stays."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

import pytest

from services.push.domain.sifting import Marks, ReceivedJob, WakeKey
from services.push.usecases.wake_users import WakeUsers
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.runtime.push_stream import StreamJob

CHAT = "d:alice:bob"
NOW = 1_700_000_000.0


def job(seq: int, user: str = "bob") -> StreamJob:
    return StreamJob(user, CHAT, "alice", 1000 + seq, seq)


def received(number: int, job: StreamJob | None, *, age_seconds: float = 1.0) -> ReceivedJob:
    return ReceivedJob(f"{round((NOW - age_seconds) * 1000)}-{number}", job)


class Known:
    """MarkStore and WakeMemory of this test."""

    def __init__(self) -> None:
        self.marks = Marks()
        self.woken: set[WakeKey] = set()
        self.is_away = False

    async def find(self, jobs: Iterable[StreamJob]) -> Marks:
        if self.is_away:
            raise unavailable("MongoDB does not answer")
        return self.marks

    async def recent(self, keys: Sequence[WakeKey]) -> set[WakeKey]:
        return self.woken & set(keys)

    async def remember(self, keys: Collection[WakeKey]) -> None:
        self.woken |= set(keys)


class Recorder:
    """A provider that fails as it is told."""

    def __init__(self) -> None:
        self.woken: list[StreamJob] = []
        self.error: WhimbrelError | None = None
        self.hangs = False

    async def wake(self, job: StreamJob) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        self.woken.append(job)


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def provider() -> Recorder:
    return Recorder()


@pytest.fixture
def wake_users(known: Known, provider: Recorder) -> WakeUsers:
    return WakeUsers(
        known,
        known,
        provider,
        wall_clock=lambda: NOW,
        wake_timeout_seconds=0.05,
        lifetime_seconds=3600.0,
    )


async def test_a_job_wakes_its_user_and_is_finished(
    wake_users: WakeUsers, provider: Recorder
) -> None:
    batch = [received(1, job(1)), received(2, job(1, "carol"))]
    assert await wake_users.handle(batch) == [one.entry_id for one in batch]
    assert provider.woken == [job(1), job(1, "carol")]
    assert wake_users.statistics().sent == 2


async def test_what_was_passed_is_finished_and_not_sent(
    wake_users: WakeUsers, known: Known, provider: Recorder
) -> None:
    known.marks = Marks({"bob": 4}, {("carol", CHAT): 9})
    batch = [received(1, job(4)), received(2, job(5)), received(3, job(9, "carol"))]
    assert await wake_users.handle(batch) == [one.entry_id for one in batch]
    assert provider.woken == [job(5)]
    assert wake_users.statistics().passed == 2


async def test_doubles_wake_once_also_across_batches(
    wake_users: WakeUsers, provider: Recorder
) -> None:
    await wake_users.handle([received(1, job(1)), received(2, job(1))])
    assert await wake_users.handle([received(3, job(1))]) == [received(3, job(1)).entry_id]
    assert provider.woken == [job(1)]
    assert wake_users.statistics().doubles == 2


async def test_a_wake_that_failed_stays_and_is_not_remembered(
    wake_users: WakeUsers, known: Known, provider: Recorder
) -> None:
    provider.error = unavailable("the provider is overloaded")
    assert await wake_users.handle([received(1, job(1))]) == []
    assert known.woken == set()
    provider.error = None
    assert await wake_users.handle([received(1, job(1))]) == [received(1, job(1)).entry_id]
    assert provider.woken == [job(1)]


async def test_a_provider_that_hangs_is_given_up_and_the_job_stays(
    wake_users: WakeUsers, provider: Recorder
) -> None:
    provider.hangs = True
    assert await wake_users.handle([received(1, job(1))]) == []
    assert wake_users.statistics().failed == 1


async def test_a_wake_that_is_refused_for_good_is_finished(
    wake_users: WakeUsers, provider: Recorder
) -> None:
    provider.error = WhimbrelError(ErrorCode.NOT_FOUND, "the device is gone")
    batch = [received(1, job(1))]
    assert await wake_users.handle(batch) == [batch[0].entry_id]
    assert wake_users.statistics().refused == 1


async def test_without_the_marks_nothing_is_sent(
    wake_users: WakeUsers, known: Known, provider: Recorder
) -> None:
    known.is_away = True
    with pytest.raises(WhimbrelError) as raised:
        await wake_users.handle([received(1, job(1))])
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert provider.woken == []


async def test_what_is_too_old_or_unreadable_is_finished_and_not_sent(
    wake_users: WakeUsers, provider: Recorder
) -> None:
    batch = [received(1, job(1), age_seconds=3601.0), received(2, None), received(3, job(3))]
    assert await wake_users.handle(batch) == [one.entry_id for one in batch]
    assert provider.woken == [job(3)]
    assert wake_users.statistics().expired == 1
    assert wake_users.statistics().unreadable == 1
