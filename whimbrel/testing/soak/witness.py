"""Puts on record what one client of the SDK does and sees. It acts on nothing."""

from __future__ import annotations

from whimbrel.client import MessageEvent, Receipt
from whimbrel.testing.soak.events import (
    Attached,
    Confirmed,
    Delivered,
    Fail,
    Info,
    Invoked,
    Ok,
    Started,
    Stopped,
    digest_of,
)
from whimbrel.testing.soak.recorder import Recorder


class Witness:
    """The witness of one device, over all the runs of its program.

    Give it to the client as `ClientSettings.observer`, and tell it the rest.
    """

    def __init__(self, recorder: Recorder, client: str) -> None:
        """`client` is "user/device"."""
        self._recorder = recorder
        self._client = client
        self._confirmed = 0
        self._confirmed_at_hello = 0
        self.losses = 0
        """How often the device was without a stream after it had had one."""

    # --- what the SDK tells (client.settings.Observer) -------------------------------

    def greeted(self) -> None:
        """See Observer."""
        self._confirmed_at_hello = self._confirmed

    def welcomed(self, first_seq: int, head: int, epoch: int) -> None:
        """See Observer."""
        known = self._confirmed_at_hello
        self._recorder.record(Attached(self._now(), self._client, first_seq, head, epoch, known))

    def lost(self) -> None:
        """See Observer."""
        self.losses += 1

    def confirmed(self, cursor: int) -> None:
        """See Observer."""
        self._confirmed = max(self._confirmed, cursor)
        self._recorder.record(Confirmed(self._now(), self._client, cursor))

    # --- what its driver tells -------------------------------------------------------

    def started(self, reader: str = "prompt", *, is_durable: bool = False) -> None:
        """A client program starts as this device."""
        self._recorder.record(Started(self._now(), self._client, reader, is_durable))

    def stopped(self, how: str) -> None:
        """It is gone."""
        self._recorder.record(Stopped(self._now(), self._client, how))

    def given(self, event: MessageEvent) -> None:
        """Its application was given a message."""
        self._recorder.record(
            Delivered(
                self._now(),
                self._client,
                event.seq,
                event.message_id,
                event.conversation_id,
                event.late,
                f"{event.sender_id}/{event.sender_device_id}",
                event.client_message_id,
                digest_of(event.body),
            )
        )

    def invoked(
        self, identifier: str, conversation: str, members: tuple[str, ...], body: bytes
    ) -> None:
        """It begins to send; `members` include the sender."""
        digest = digest_of(body)
        self._recorder.record(
            Invoked(self._now(), self._client, identifier, conversation, members, digest)
        )

    def ok(self, receipt: Receipt) -> None:
        """It was told that the message is durable."""
        self._recorder.record(
            Ok(
                self._now(),
                self._client,
                receipt.client_message_id,
                receipt.message_id,
                receipt.seq,
                receipt.conversation_id,
            )
        )

    def not_ok(self, identifier: str, code: str, *, is_unknown: bool) -> None:
        """It was told no, or nothing that it could rely on."""
        kind = Info if is_unknown else Fail
        self._recorder.record(kind(self._now(), self._client, identifier, code))

    def _now(self) -> float:
        return self._recorder.now()
