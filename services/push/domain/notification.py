"""What a provider is given to send. Never a body: a provider sees who wrote, not what."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from services.push.domain.wakes import Wake

_NAMESPACE = UUID("7f0c6f0e-53a4-4b0c-9d56-0f5d8a4f6b1e")


@dataclass(frozen=True, slots=True)
class Notification:
    """One wake as it goes out, with what was known at that moment."""

    wake: Wake
    platform: str
    token: str
    """Where the provider finds the device; never logged."""
    title: str
    """The sender's name."""
    text: str
    """What a person reads below it; the same for every message."""
    badge: int | None
    """All that the user has not read; None when nobody knows: then it stays as it was."""
    unread: int | None
    """The same of this conversation alone."""
    is_silent: bool
    """The user's quiet hours: shown, without sound or light."""
    expires_at: int
    """Seconds since the Unix epoch after which nobody needs it."""

    @property
    def notification_id(self) -> str:
        """A UUID that is the same each time for this message and device."""
        wake = self.wake
        return str(uuid5(_NAMESPACE, f"{wake.user}/{wake.device}/{wake.message_id}"))

    def data(self) -> dict[str, str]:
        """What an application needs to know, all of it strings: FCM takes no others."""
        wake = self.wake
        said = {
            "conversation_id": wake.conversation,
            "message_id": str(wake.message_id),
            "sender_id": wake.sender,
            "seq": str(wake.seq),
        }
        if wake.mentions_user:
            said["mentions_you"] = "true"
        if self.unread is not None:
            said["unread"] = str(self.unread)
        if self.badge is not None:
            said["badge"] = str(self.badge)
        return said


def shown_text(text: str, unread: int | None) -> str:
    """`text` for one message; with the number before it for more."""
    if unread is None or unread <= 1:
        return text
    return f"{text} ({unread})"
