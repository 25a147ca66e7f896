"""What a committed recall or edit does to the message that it names.

Before the sender is told and before anybody gets it: who has seen the recall finds no body any
more. The order of effects is that of message_id, whoever comes first. What could not be done in
time is done again, by the resend or by the clean-up: the same change twice is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.logic.domain.model import Change, Committed, StoredMessage
from services.logic.history_ports import MessageCache
from services.logic.ports import MessageStore
from services.logic.usecases.commit_messages import Unfinished
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.ids import unix_ms_of
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)


class ChangeMessages:
    """Marks the targets of committed messages."""

    def __init__(
        self,
        messages: MessageStore,
        cache: MessageCache,
        *,
        clock: Clock,
        on_unfinished: Callable[[Unfinished], None],
    ) -> None:
        self._messages = messages
        self._cache = cache
        self._clock = clock
        self._on_unfinished = on_unfinished

    async def apply(self, committed: Sequence[Committed], *, deadline: float) -> None:
        """All targets are marked on return. Raises UNAVAILABLE with outcome_unknown at the
        deadline; what is open then is reported to `on_unfinished`."""
        changes = [_change(one.message) for one in committed if one.message.attributes.changes]
        if not changes:
            return
        try:
            await until_deadline(
                lambda: self._messages.change(changes), deadline=deadline, clock=self._clock
            )
        except BaseException:
            self._leave(changes)
            raise
        conversations = {
            one.message.attributes.changes: one.message.conversation
            for one in committed
            if one.message.attributes.changes
        }
        try:
            await self._cache.forget(conversations)
        except WhimbrelError as error:
            # What Redis remembers is changed a little later, and the message is not held up.
            log.warning("changes_not_forgotten", detail=error.detail)
            self._leave(changes)

    def _leave(self, changes: Sequence[Change]) -> None:
        """To the clean-up, which does it again."""
        moments = [unix_ms_of(change.by) for change in changes]
        self._on_unfinished(Unfinished(min(moments), max(moments)))


def _change(message: StoredMessage) -> Change:
    return Change(
        target=message.attributes.changes,
        sender=message.key.sender,
        by=message.message_id,
        is_recall=bool(message.attributes.recalls),
        body_kind=message.body_kind,
        body=message.body,
    )
