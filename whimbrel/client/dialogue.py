"""What a client says and understands on its streams: frames in, frames out, no I/O.

It joins the sides of a client (Correspondence, Presence, Migration, SignalBook) and lives as long
as it does, through all its streams:

    hello ──▶ welcomed ──▶ received*, next_frame* ──▶ lost ──▶ hello …
                  └──▶ hello, welcomed (a move) ──▶ received_aside* ──▶ retired

The driver reads frames and gives them to `received`, and writes what `next_frame` returns, at
once and again at `next_deadline`. When a second stream is welcomed while one is attached, the
session has moved: the first is read to its end with `received_aside`. `now` is monotonic.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.correspondence import Correspondence
from whimbrel.client.farewell import Farewell, farewell_of, targets_of
from whimbrel.client.frames import Introduction, migrate_ack, resume
from whimbrel.client.presence import Presence, Surroundings
from whimbrel.client.settings import ClientSettings
from whimbrel.client.signal_book import SignalBook
from whimbrel.core.migration import Migration
from whimbrel.core.nat_probe import Learned
from whimbrel.core.outgoing import Outgoing


class Dialogue:
    """The protocol of one client object. See the module."""

    def __init__(
        self,
        *,
        device_id: str,
        instance_id: str,
        client: str,
        settings: ClientSettings,
        platform: str = "",
        account_scope: bool = False,
        cursor: int | None = None,
        highest: Mapping[str, int] | None = None,
        owner: tuple[str, str] | None = None,
        outgoing: Iterable[Outgoing] = (),
        heartbeats: Mapping[str, Learned] | None = None,
        surroundings: Surroundings | None = None,
        signals: SignalBook | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.signals = signals or SignalBook()
        limits = settings.inbox.hurried() if self.signals.tells_delivered else settings.inbox
        self._correspondence = Correspondence(
            device_id,
            settings,
            limits,
            cursor=cursor,
            highest=highest,
            owner=owner,
            outgoing=outgoing,
        )
        self.inbox = self._correspondence.inbox
        self.outbox = self._correspondence.outbox
        self.take_outcomes = self._correspondence.take_outcomes
        self.presence = Presence(settings, heartbeats or {}, surroundings or Surroundings())
        self.migration = Migration(settings.welcome_timeout_seconds)
        self.defer_until = -math.inf
        """Loop time before which the application does not want to move."""
        self._chance = chance
        self.attempt = 0
        self.epoch = 0
        self.max_body_bytes = 0
        self._settings = settings
        self.device_id = device_id
        self._introduction = Introduction(device_id, instance_id, client, platform, account_scope)
        self._overdue = 0

    @property
    def is_attached(self) -> bool:
        """Whether a stream is there and welcomed."""
        return self.presence.is_attached

    @property
    def user_id(self) -> str:
        """Whose streams these are; empty before the first Welcome."""
        return self._correspondence.user_id

    # --- streams ---------------------------------------------------------------------

    def hello(self, token: str, ticket: str = "", plan_id: str = "") -> access_pb2.ConnectRequest:
        """The first frame of the next stream."""
        self.attempt += 1
        if self._settings.observer is not None:
            self._settings.observer.greeted()
        return self._introduction.hello(
            token,
            ticket,
            plan_id,
            cursor=self.inbox.cursor,
            attempt=self.attempt,
            epoch=self.epoch,
            app_state=self.presence.hello_state(),
            signals=self.signals.wishes(),
        )

    def welcomed(self, welcome: access_pb2.Welcome, now: float) -> None:
        """The stream is attached; when another one still is, the session has moved here.
        PERMISSION_DENIED, and nothing changed, when the token is that of another user than
        before; RemoteProtocolError when it makes no sense."""
        self._correspondence.welcomed(welcome, now, is_move=self.is_attached)
        self.epoch = welcome.epoch
        self.max_body_bytes = welcome.max_body_bytes
        self.migration.welcomed()
        if self._settings.observer is not None:
            self._settings.observer.welcomed(welcome.first_seq, welcome.head, welcome.epoch)
        self.presence.welcomed(welcome, now)
        self.signals.welcomed(welcome.signals, now)

    def lost(self) -> None:
        """The stream is gone, however it ended, or never came to be. Unanswered messages are
        due again."""
        if self._settings.observer is not None and self.is_attached:
            self._settings.observer.lost()
        self.presence.lost()
        self._correspondence.lost()
        self.migration.lost()
        self.signals.lost()

    def retired(self) -> None:
        """The older of two streams is gone."""
        self.inbox.alone()

    # --- frames in -------------------------------------------------------------------

    def received(self, frame: access_pb2.ConnectResponse, now: float) -> Farewell | None:
        """Take a frame; a Farewell when it was the last. Frames not known are ignored.

        RemoteProtocolError when the server has broken its word; the stream is to be ended.
        """
        self.presence.received(now)
        kind = frame.WhichOneof("frame")
        if self._correspondence.received(frame, kind, now):
            return None
        if kind == "pong":
            self._pong(frame.pong, now)
        elif kind == "signals":
            self.signals.received(frame.signals, self.user_id)
        elif kind == "migrate":
            self._migrate(frame.migrate, now)
        elif kind == "resumed":
            self.epoch = frame.resumed.epoch
            self.migration.resumed()
            self.outbox.renewed()
        else:
            return self.farewell(frame)
        return None

    def received_aside(self, frame: access_pb2.ConnectResponse, now: float) -> Farewell | None:
        """Take a frame of the older stream while the newer one is the session.

        What it brings is news; what it refuses is being sent again on the newer one already,
        unless the refusal is final.
        """
        self._correspondence.received(frame, frame.WhichOneof("frame"), now, aside=True)
        return farewell_of(frame)

    def farewell(self, frame: access_pb2.ConnectResponse) -> Farewell | None:
        """What the last frame says; None for any other frame. SEQ_AHEAD forgets the cursor."""
        farewell = farewell_of(frame)
        code = None if farewell is None else farewell.code
        if code is not None and code.reconnects and not code.resumes:
            self.inbox.forget_cursor()
        return farewell

    # --- frames out ------------------------------------------------------------------

    def next_frame(self, now: float, *, leaving: bool = False) -> access_pb2.ConnectRequest | None:
        """The next frame to write now, counted as written; None when there is none.

        `leaving`: the last ack without its delay, and nothing else.
        """
        if not self.is_attached:
            return None
        frame = self._next_frame(now, leaving=leaving)
        if frame is not None:
            self.presence.sent(now)
        return frame

    def is_dead(self, now: float) -> bool:
        """Whether the server has not answered a ping or a Resume in time: give the stream up."""
        resume_by = self.migration.resume_deadline()
        return self.presence.is_dead(now) or (resume_by is not None and now >= resume_by)

    def next_deadline(self) -> float | None:
        """When `next_frame` or `is_dead` has something new if nothing happens before; it may
        lie in the past. None without a stream."""
        if not self.is_attached:
            return None
        if self.migration.has_words:
            return -math.inf
        moments = (
            self.migration.resume_deadline(),
            self.presence.next_deadline(),
            self.inbox.next_deadline(),
            self.outbox.next_deadline(),
            self.signals.next_deadline(),
        )
        return min((moment for moment in moments if moment is not None), default=None)

    # --- inside ----------------------------------------------------------------------

    def _next_frame(self, now: float, *, leaving: bool) -> access_pb2.ConnectRequest | None:
        ack = self._correspondence.next_ack(now, leaving=leaving)
        if ack is not None or leaving:
            return ack
        words = self._move_words()
        if words is not None:
            return words
        frame = self._correspondence.next_frame(now)
        if self.outbox.overdue > self._overdue:
            self._overdue = self.outbox.overdue
            self.presence.doubt()
        return frame or self.signals.next_frame(now) or self.presence.next_frame(now)

    def _move_words(self) -> access_pb2.ConnectRequest | None:
        answer = self.migration.take_answer()
        if answer is not None:
            return migrate_ack(answer)
        if self.migration.take_resume():
            self.attempt += 1
            return resume(self.migration.plan_id, self.attempt)
        return None

    def _migrate(self, migrate: access_pb2.Migrate, now: float) -> None:
        self.migration.asked(
            migrate.plan_id,
            targets_of(migrate.targets),
            migrate.jitter_ms / 1000,
            now,
            self._chance(),
            defer_seconds=max(0.0, self.defer_until - now),
        )

    def _pong(self, pong: access_pb2.Pong, now: float) -> None:
        if pong.HasField("head"):
            self.inbox.head_news(pong.head, now)
        if pong.HasField("storm_window"):
            self.presence.note_storm_window(pong.storm_window)
