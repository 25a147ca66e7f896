"""Which of the jobs and wakes are worth waking somebody for.

Pure: what is known about users, and the time, come in as values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from whimbrel.runtime.push_stream import StreamJob


class ReceivedJob(NamedTuple):
    """A job as the stream gave it; `job` is None when nobody can read it."""

    entry_id: str
    job: StreamJob | None


class Placed(Protocol):
    """Whatever is about one place in a timeline: a job, a wake."""

    @property
    def user(self) -> str: ...
    @property
    def conversation(self) -> str: ...
    @property
    def seq(self) -> int: ...


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

    def passed(self, job: Placed) -> bool:
        """True when a device has the message, by stream or by pull, a person has read it, or the
        user does not want to be woken for its conversation (rule 21)."""
        if (job.user, job.conversation) in self.muted:
            return True
        read = self.reads.get((job.user, job.conversation), 0)
        return job.seq <= max(read, self.cursors.get(job.user, 0))


def minted_ms(entry_id: str) -> int:
    """When Redis took the job in, in ms since the Unix epoch: its ids begin with that."""
    return int(entry_id.partition("-")[0])


def newest_of_each_conversation(jobs: Sequence[StreamJob], limit: int) -> list[StreamJob]:
    """One job for each conversation, the one with the highest seq; the `limit` newest, newest
    first. For a user who is woken anew: the application fetches everything at the first wake."""
    newest: dict[str, StreamJob] = {}
    for job in sorted(jobs, key=lambda job: job.seq, reverse=True):
        newest.setdefault(job.conversation, job)
    return list(newest.values())[:limit]
