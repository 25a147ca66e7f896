"""The intake of sends: joins what is the same, commits what is ready, answers everybody.

One commit is in flight per process; whatever arrives meanwhile is the next batch. Answers are
callbacks, so a message costs neither a task nor a future.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from services.logic.domain.model import Answer, ClientKey, Committed, Draft, Outcome, SendTrace
from services.logic.trace_ports import MessageTraces
from services.logic.usecases.change_messages import ChangeMessages
from services.logic.usecases.check_sends import Checked, CheckSends
from services.logic.usecases.commit_messages import Addressed, CommitMessages, id_reused
from services.logic.usecases.complete_messages import CompleteMessages
from services.logic.usecases.patience import Clock
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.screen_sends import ScreenSends, too_many_waiting, waited_too_long
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_BATCH_MESSAGES = 200
"""More would save little (a document costs 10 % less in an insert of 500) and make whoever
came just after the last batch wait for it: p99 was 1.5 times p50 at 200, 1.8 at 1,000."""
MAX_COMMIT_ENTRIES = 5000
"""A larger commit would outlive the time after which readers void its seqs (rule 4)."""


@dataclass(slots=True)
class Submission:
    """One send that waits for its outcome, and everybody who waits for it."""

    draft: Draft
    digest: bytes
    epoch: int
    resend: bool
    deadline: float
    participants: tuple[str, ...] | None = None
    """Given for what Logic says itself, which nothing checks; None: as the checks find."""
    screened: Addressed | None = None
    """Given for what the host product was asked about: the chain has passed it already."""
    waiters: list[Callable[[Outcome], None]] = field(default_factory=list)


class SubmitMessages:
    """`submit` from any link; `run` is the one task that commits."""

    def __init__(
        self,
        checks: CheckSends,
        commits: CommitMessages,
        completer: CompleteMessages,
        changes: ChangeMessages,
        *,
        on_committed: Callable[[Sequence[Committed]], None],
        clock: Clock,
        max_waiting: int,
        screen: ScreenSends | None = None,
        traces: MessageTraces | None = None,
    ) -> None:
        self._screen = screen
        self._checks = checks
        self._commits = commits
        self._completer = completer
        self._changes = changes
        self._on_committed = on_committed
        self._clock = clock
        self._traces = traces
        self._open: dict[ClientKey, Submission] = {}
        self._is_steady = True
        """Whether the last batch was committed: seqs are not reserved for what may fail."""
        self.pipeline: Pipeline[Submission] = Pipeline(
            self._handle, max_items=MAX_BATCH_MESSAGES, max_waiting=max_waiting
        )

    def submit(
        self,
        draft: Draft,
        *,
        epoch: int,
        resend: bool,
        deadline: float,
        answer: Callable[[Outcome], None],
        participants: tuple[str, ...] | None = None,
    ) -> None:
        """Take a send; `answer` is called once with its outcome, after the commit.

        The same key joins the attempt that is under way (rule 3). Too many waiting sends are
        answered OVERLOADED at once. `participants` are given for what Logic says itself: it is
        checked for nothing but a resend.
        """
        digest = draft.digest
        under_way = self._open.get(draft.key)
        if under_way is not None:
            if under_way.digest == digest:
                under_way.waiters.append(answer)
            else:
                answer(id_reused(draft.key))
            return
        submission = Submission(draft, digest, epoch, resend, deadline, participants)
        if self._screen is None or participants is not None:
            is_taken = self.pipeline.offer(submission)
        else:
            is_taken = self._screen.offer(submission, self.pipeline.offer, self._settle)
        if not is_taken:
            answer(too_many_waiting())
            return
        submission.waiters.append(answer)
        self._open[draft.key] = submission

    async def _handle(self, batch: list[Submission]) -> None:
        now = self._clock()
        live = [submission for submission in batch if submission.deadline > now]
        for submission in batch:
            if submission.deadline <= now:
                self._settle(submission.draft.key, waited_too_long())
        if not live:
            return
        deadline = max(submission.deadline for submission in live)
        try:
            checked = await self._checks.check(live, deadline=deadline, opens=self._is_steady)
            if self._traces is not None:
                traced = _traced(submission.draft for submission in live)
                self._traces.checked(traced, now, self._clock())
            await self._commit(checked, deadline)
            self._is_steady = True
        except WhimbrelError as error:
            self._is_steady = False
            log.warning("commit_failed", code=error.code.name, detail=error.detail)
            for submission in live:
                self._settle(submission.draft.key, unavailable(error.detail, outcome_unknown=True))

    async def _commit(self, checked: Checked, deadline: float) -> None:
        for key, answer in checked.answered.items():
            self._settle(key, answer)
        completed = await self._completer.complete(checked.stored, deadline=deadline)
        await self._publish(completed, deadline)
        reserved = checked.reserved
        # What was reserved for messages that were refused since is made void by an empty commit.
        for part in list(_parts(checked.fresh)) or [[]] * (reserved is not None):
            began = self._clock()
            outcomes = await self._commits.commit(part, deadline=deadline, reserved=reserved)
            reserved = None
            ended = self._clock()
            for addressed, outcome in zip(part, outcomes, strict=True):
                if isinstance(outcome, WhimbrelError):
                    self._settle(addressed.draft.key, outcome)
            committed = [one for one in outcomes if isinstance(one, Committed)]
            await self._publish(committed, deadline)
            traced = _traced(one.draft for one in part) if self._traces is not None else None
            if traced and self._traces is not None:
                entries = sum(len(one.participants) for one in part)
                self._traces.committed(traced, began, ended, messages=len(part), entries=entries)

    async def _publish(self, committed: Sequence[Committed], deadline: float) -> None:
        """Hand the messages on and answer the senders, in one turn of the loop. Handing on is
        first, because then the routes are on their way while the answers are written; they come
        back in a later turn, so an Accepted reaches the pod of the sender before the delivery of
        the same message does."""
        await self._changes.apply(committed, deadline=deadline)
        if committed:
            self._on_committed(committed)
        for one in committed:
            answer = Answer(one.message.message_id, one.sender_seq)
            self._settle(one.message.key, answer)

    def _settle(self, key: ClientKey, outcome: Outcome) -> None:
        submission = self._open.pop(key, None)
        if submission is not None:
            for answer in submission.waiters:
                answer(outcome)


def _traced(drafts: Iterable[Draft]) -> list[SendTrace]:
    return [draft.trace for draft in drafts if draft.trace is not None]


def _parts(batch: Sequence[Addressed]) -> Iterator[list[Addressed]]:
    """Cut the batch so that no part has more than MAX_COMMIT_ENTRIES entries."""
    part: list[Addressed] = []
    entries = 0
    for addressed in batch:
        size = len(addressed.participants)
        if part and entries + size > MAX_COMMIT_ENTRIES:
            yield part
            part, entries = [], 0
        part.append(addressed)
        entries += size
    if part:
        yield part
