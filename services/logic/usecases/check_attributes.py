"""What attributes name has to be there: people, messages, and the right to change one.

Asked after all other checks, for the sends that have attributes, in at most two queries a batch,
four when it shows media. Nearly every batch has none and costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.logic.domain.model import ClientKey, Placement, StoredMessage
from services.logic.ports import MediaRights, MessageStore, TimelineStore
from services.logic.usecases.commit_messages import Addressed
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.core.ids import unix_ms_of


class CheckAttributes:
    """The form was checked by Access; here it is looked whether it is so."""

    def __init__(
        self,
        messages: MessageStore,
        timelines: TimelineStore,
        media: MediaRights,
        *,
        clock: Clock,
        wall_ms: Callable[[], int],
        recall_seconds: float,
        edit_seconds: float,
    ) -> None:
        self._messages = messages
        self._timelines = timelines
        self._media = media
        self._clock = clock
        self._wall_ms = wall_ms
        self._recall_ms = recall_seconds * 1000
        self._edit_ms = edit_seconds * 1000

    async def check(
        self, sends: Sequence[Addressed], *, deadline: float
    ) -> dict[ClientKey, WhimbrelError]:
        """The sends that are refused. Raises UNAVAILABLE at the deadline."""
        named = [send for send in sends if send.draft.attributes]
        if not named:
            return {}
        messages = await until_deadline(
            lambda: self._messages.find(_whole(named)), deadline=deadline, clock=self._clock
        )
        placed = await until_deadline(
            lambda: self._timelines.find_placed(_places(named)),
            deadline=deadline,
            clock=self._clock,
        )
        shown = await self._shown(named, deadline)
        refused = {}
        for send in named:
            error = self._refusal(send, messages, placed) or _not_to_show(send, shown)
            if error is not None:
                refused[send.draft.key] = error
        return refused

    async def _shown(
        self, sends: Sequence[Addressed], deadline: float
    ) -> dict[tuple[str, str], bool]:
        wanted = {
            (send.draft.key.sender, send.draft.attributes.media_id)
            for send in sends
            if send.draft.attributes.media_id
        }
        if not wanted:
            return {}
        return await until_deadline(
            lambda: self._media.look(wanted), deadline=deadline, clock=self._clock
        )

    def _refusal(
        self,
        send: Addressed,
        messages: dict[int, StoredMessage],
        placed: dict[Placement, int],
    ) -> WhimbrelError | None:
        draft, attributes = send.draft, send.draft.attributes
        sender = draft.key.sender
        strangers = set(attributes.mentions) - set(send.participants)
        if strangers:
            name = min(strangers)
            return WhimbrelError(
                ErrorCode.NOT_A_MEMBER, f"{name} is mentioned and not a member of the conversation"
            )
        answered = attributes.reply_to
        if answered and Placement(sender, draft.conversation, answered) not in placed:
            return _absent("reply_to")
        source = attributes.forwarded_from
        if source is not None:
            said = messages.get(source.message_id)
            if (
                said is None
                or said.key.sender != source.sender_id
                or said.conversation != source.conversation_id
                or sender not in said.participants
                or said.recalled_by
            ):
                return _absent("forwarded_from")
        if attributes.changes:
            return self._may_change(send, messages, placed)
        return None

    def _may_change(
        self,
        send: Addressed,
        messages: dict[int, StoredMessage],
        placed: dict[Placement, int],
    ) -> WhimbrelError | None:
        draft, attributes = send.draft, send.draft.attributes
        word = "recalls" if attributes.recalls else "edits"
        target = messages.get(attributes.changes)
        if target is None or target.key.sender != draft.key.sender:
            if Placement(draft.key.sender, draft.conversation, attributes.changes) in placed:
                return WhimbrelError(
                    ErrorCode.PERMISSION_DENIED, f"{word} names a message of somebody else"
                )
            return _absent(word)
        if target.conversation != draft.conversation or target.recalled_by:
            return _absent(word)
        if target.attributes.changes:
            return invalid(f"{word} names a message that is itself a recall or an edit")
        limit_ms = self._recall_ms if attributes.recalls else self._edit_ms
        if self._wall_ms() - unix_ms_of(target.message_id) > limit_ms:
            return WhimbrelError(
                ErrorCode.TOO_LATE, f"{word} names a message of more than {limit_ms / 1000:g} s ago"
            )
        return None


def _whole(sends: Sequence[Addressed]) -> dict[int, str]:
    """The messages that have to be read, with their senders."""
    ids = {}
    for send in sends:
        attributes = send.draft.attributes
        if attributes.changes:
            ids[attributes.changes] = send.draft.key.sender
        if attributes.forwarded_from is not None:
            source = attributes.forwarded_from
            ids.setdefault(source.message_id, source.sender_id)
    return ids


def _places(sends: Sequence[Addressed]) -> list[Placement]:
    """The messages that have to be in the timeline of whoever names them."""
    return [
        Placement(send.draft.key.sender, send.draft.conversation, message_id)
        for send in sends
        for message_id in (send.draft.attributes.reply_to, send.draft.attributes.changes)
        if message_id
    ]


def _not_to_show(send: Addressed, shown: dict[tuple[str, str], bool]) -> WhimbrelError | None:
    media_id = send.draft.attributes.media_id
    if not media_id:
        return None
    is_complete = shown.get((send.draft.key.sender, media_id))
    if is_complete is None:
        return WhimbrelError(
            ErrorCode.NOT_FOUND, "media_id names a medium that is not there for the sender"
        )
    if not is_complete:
        return WhimbrelError(ErrorCode.CONFLICT, "media_id names a medium that is not complete")
    return None


def _absent(word: str) -> WhimbrelError:
    return WhimbrelError(
        ErrorCode.NOT_FOUND, f"{word} names a message that is not there, or not any more"
    )
