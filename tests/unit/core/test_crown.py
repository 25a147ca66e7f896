"""The crown test: both ends of the protocol over a link that drops, repeats, reorders, breaks.

The server's end is core/session.py with a timeline in memory, the client's end is the SDK's
dialogue (inbox, outbox, heartbeat). Time is simulated, chance is seeded; a seed that fails
fails again: `World(seed).run()`.
"""

from __future__ import annotations

import math
from random import Random

import pytest

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.events import Receipt
from whimbrel.client.settings import ClientSettings
from whimbrel.core.outgoing import BodyKind, Outgoing
from whimbrel.core.session_types import SessionLimits
from whimbrel.testing.lossy_link import PERFECT, Faults, LossyLink
from whimbrel.testing.simulated_pod import SimulatedPod, SimulatedTimeline

TROUBLE_SECONDS = 20.0
QUIET_SECONDS = 120.0


class World:
    """One user, one device, one pod after another, and other people who write."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.now = 100.0
        self.timeline = SimulatedTimeline("alice")
        self.dialogue = Dialogue(
            device_id="phone", instance_id="i", client="crown", settings=ClientSettings(), cursor=0
        )
        self.limits = SessionLimits(
            window_messages=random.choice((2, 4, 16)),
            window_bytes=random.choice((300, 1_000, 100_000)),
            ack_timeout_seconds=random.choice((0.5, 2.0)),
        )
        # Half of the worlds have a real stream: whole and in order until it breaks.
        is_lossy = random.random() < 0.5
        self.faults = (
            Faults(
                drop=random.random() * 0.2,
                repeat=random.random() * 0.2,
                reorder=random.random() * 0.3,
            )
            if is_lossy
            else PERFECT
        )
        self.refusals = random.choice((0.0, 0.2))
        self.break_share = random.choice((0.0, 0.01, 0.05))
        self.application_share = random.choice((0.05, 0.3, 1.0))
        self.up: LossyLink[access_pb2.ConnectRequest] = LossyLink(random)
        self.down: LossyLink[access_pb2.ConnectResponse] = LossyLink(random)
        self.pod: SimulatedPod | None = None
        self.connected_at = 0.0
        self.message_id = 1_000
        self.pending: list[tuple[float, int, types_pb2.Message | None]] = []
        self.seen: list[tuple[int, int, bool]] = []
        self.sent: list[str] = []
        self.receipts: dict[str, Receipt] = {}
        self.is_troubled = True

    # --- the script ------------------------------------------------------------------

    def run(self) -> None:
        step = 0.05
        while self.now < 100.0 + TROUBLE_SECONDS:
            self.now += self.random.random() * 2 * step
            self._make_trouble()
            self._turn()
        self.is_troubled = False
        self.up.faults = self.down.faults = PERFECT
        if self.pod is not None:
            self.pod.refusals = 0.0
        give_up = self.now + QUIET_SECONDS
        while not self._is_done():
            assert self.now < give_up, f"stuck: {self.dialogue.inbox.statistics()}"
            self.now = max(self.now + 0.001, min(self._next_moment(), self.now + 0.5))
            self._turn()
        self._check()

    def _make_trouble(self) -> None:
        random, now = self.random, self.now
        if random.random() < 0.3:
            self.pending.append((now + random.random() * 0.3, *self._someone_writes()))
        if random.random() < 0.2:
            identifier = f"m{len(self.sent)}"
            self.sent.append(identifier)
            target = random.choice(("g:1", "g:2"))
            message = Outgoing(identifier, BodyKind.TEXT, b"x" * random.randrange(40), target)
            self.dialogue.outbox.add(message)
        if random.random() < self.break_share:
            self._break()

    def _someone_writes(self) -> tuple[int, types_pb2.Message | None]:
        random = self.random
        seq = self.timeline.reserve()
        if random.random() < 0.1:
            return seq, None
        self.message_id += 10
        return seq, types_pb2.Message(
            message_id=self.message_id - random.choice((0, 0, 0, 15)),
            conversation_id=random.choice(("g:1", "g:2")),
            sender_id="bob",
            sender_device_id="desk",
            client_message_id=f"b{seq}",
            body=types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=b"x" * random.randrange(90)),
        )

    def _break(self) -> None:
        self.pod = None
        self.up.cut()
        self.down.cut()
        self.dialogue.lost()

    # --- one moment ------------------------------------------------------------------

    def _turn(self) -> None:
        now, random = self.now, self.random
        self._commit_what_is_due()
        if self.pod is None:
            self._connect()
        assert self.pod is not None
        for request in self.up.take(now):
            self.message_id += 10
            self.pod.receive(request, now, self.message_id)
            assert self.pod.closed is None, f"the pod closed the stream: {self.pod.closed!r}"
        if random.random() < 0.05:
            self.pod.check_head(now)
        for response in self.pod.frames(now):
            self.down.send(response, now)
        if not self._client_reads():
            self._break()
            return
        if not self.is_troubled or random.random() < self.application_share:
            received = self.dialogue.inbox.take(now)
            if received is not None:
                self.seen.append((received.seq, received.message.message_id, received.is_late))
        while (frame := self.dialogue.next_frame(now)) is not None:
            self.up.send(frame, now)

    def _commit_what_is_due(self) -> None:
        due = [row for row in self.pending if row[0] <= self.now]
        self.pending = [row for row in self.pending if row[0] > self.now]
        for _, seq, message in due:
            self.timeline.commit(seq, message)
            # A push may be lost, and voids are never pushed: the session finds the hole.
            if self.pod is not None and message is not None and self.random.random() < 0.9:
                self.pod.push(seq, self.now)

    def _connect(self) -> None:
        faults = self.faults if self.is_troubled else PERFECT
        self.up = LossyLink(self.random, faults)
        self.down = LossyLink(self.random, faults)
        refusals = self.refusals if self.is_troubled else 0.0
        self.pod = SimulatedPod(self.timeline, self.random, self.limits, refusals=refusals)
        self.connected_at = self.now
        self.up.send(self.dialogue.hello("token"), self.now)

    def _client_reads(self) -> bool:
        """False when the stream is over for the client."""
        dialogue, now = self.dialogue, self.now
        for frame in self.down.take(now):
            if dialogue.is_attached:
                farewell = dialogue.received(frame, now)
            elif frame.HasField("welcome"):
                dialogue.welcomed(frame.welcome, now)
                continue
            else:
                farewell = dialogue.farewell(frame)
                if farewell is None:
                    return False  # the first frame was no Welcome
            if farewell is not None:
                # Whatever the link does, neither end may take the other for a liar.
                raise AssertionError(f"closed: {farewell}")
            for identifier, answer in dialogue.take_outcomes():
                assert isinstance(answer, Receipt), answer
                assert identifier not in self.receipts, "answered twice"
                self.receipts[identifier] = answer
        if dialogue.is_attached:
            return not dialogue.is_dead(now)
        return now < self.connected_at + 2.0

    def _next_moment(self) -> float:
        moments = (
            self.dialogue.next_deadline(),
            self.up.next_deadline(),
            self.down.next_deadline(),
            self.pod.next_deadline() if self.pod else self.now,
            min((row[0] for row in self.pending), default=None),
        )
        return min((moment for moment in moments if moment is not None), default=math.inf)

    # --- the promises ----------------------------------------------------------------

    def _is_done(self) -> bool:
        inbox = self.dialogue.inbox
        return (
            not self.pending
            and len(self.receipts) == len(self.sent)
            and inbox.cursor == self.timeline.head == self.timeline.cursors["phone"]
            and (self.faults is not PERFECT or inbox.statistics().confirmed == inbox.cursor)
        )

    def _check(self) -> None:
        expected: list[tuple[int, int, bool]] = []
        highest: dict[str, int] = {}
        stored: list[str] = []
        for seq in range(1, self.timeline.head + 1):
            entry = self.timeline.entries[seq]
            if not entry.HasField("message"):
                continue
            message = entry.message
            is_late = message.message_id < highest.get(message.conversation_id, 0)
            if not is_late:
                highest[message.conversation_id] = message.message_id
            if message.sender_id == "alice":
                stored.append(message.client_message_id)
                assert self.receipts[message.client_message_id].seq == seq
            else:
                expected.append((seq, message.message_id, is_late))
        assert self.seen == expected, "in order, each once, the late ones marked"
        assert sorted(stored) == sorted(self.sent), "each send is stored once"


def run(seeds: range) -> None:
    for seed in seeds:
        try:
            World(seed).run()
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.simulation
def test_two_ends_over_any_link_agree() -> None:
    run(range(500))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_two_ends_over_any_link_agree_in_a_hundred_thousand_worlds() -> None:
    run(range(500, 100_500))
