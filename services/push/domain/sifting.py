"""Which of the jobs that were taken from the stream are worth waking somebody for.

Pure: what is known about users, and the time, come in as values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from whimbrel.runtime.push_stream import StreamJob


class ReceivedJob(NamedTuple):
    """A job as the stream gave it; `job` is None when nobody can read it."""

    entry_id: str
    job: StreamJob | None


class WakeKey(NamedTuple):
    """What makes two wakes the same wake."""

    user: str
    message_id: int


@dataclass(frozen=True, slots=True)
class Marks:
    """How far users have come, from MongoDB; who is absent has come nowhere."""

    cursors: Mapping[str, int] = field(default_factory=dict)
    """The highest stored cursor of each user's devices."""
    reads: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """The higher of read mark and pull mark of each (user, conversation)."""
    muted: Collection[tuple[str, str]] = frozenset()
    """The (user, conversation) that wake nobody. Logic makes no job for them; after a lost Redis
    they are enqueued with all the others, and one may have been muted since."""

    def passed(self, job: StreamJob) -> bool:
        """True when a device has the message, by stream or by pull, a person has read it, or the
        user does not want to be woken for its conversation (rule 21)."""
        if (job.user, job.conversation) in self.muted:
            return True
        read = self.reads.get((job.user, job.conversation), 0)
        return job.seq <= max(read, self.cursors.get(job.user, 0))


def wake_key(job: StreamJob) -> WakeKey:
    """The wake that the job asks for."""
    return WakeKey(job.user, job.message_id)


def minted_at(entry_id: str) -> float:
    """When Redis took the job in, in seconds since the Unix epoch: its ids begin with that."""
    return int(entry_id.partition("-")[0]) / 1000


def collapse(
    received: Iterable[ReceivedJob], known: Collection[WakeKey] = ()
) -> tuple[list[ReceivedJob], list[ReceivedJob]]:
    """(the first of each wake that is not `known`, the doubles). Order is kept."""
    seen = set(known)
    first: list[ReceivedJob] = []
    doubles: list[ReceivedJob] = []
    for one in received:
        if one.job is None:
            raise ValueError("a job that nobody can read has no double")
        key = wake_key(one.job)
        (doubles if key in seen else first).append(one)
        seen.add(key)
    return first, doubles


def newest_of_each_conversation(jobs: Sequence[StreamJob], limit: int) -> list[StreamJob]:
    """One job for each conversation, the one with the highest seq; the `limit` newest, newest
    first. For a user who is woken anew: the application fetches everything at the first wake."""
    newest: dict[str, StreamJob] = {}
    for job in sorted(jobs, key=lambda job: job.seq, reverse=True):
        newest.setdefault(job.conversation, job)
    return list(newest.values())[:limit]
