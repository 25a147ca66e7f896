"""What APNs answers, and what it means for us.

Source: Apple, "Handling notification responses from APNs" (status codes and `reason`). A reason
that is not known here is judged by its status, so a new one does what its siblings do.
"""

from __future__ import annotations

from typing import Final

from services.push.domain.outcomes import DELIVERED, Outcome, Result

DEAD: Final = frozenset({"BadDeviceToken", "ExpiredToken", "Unregistered"})
"""BadDeviceToken also comes when a token of the other environment (sandbox, production) is used."""

MISCONFIGURED: Final = frozenset(
    {
        *("BadCertificate", "BadCertificateEnvironment", "BadEnvironmentKeyIdInToken"),
        *("BadTopic", "Forbidden", "InvalidProviderToken", "MissingProviderToken"),
        *("MissingTopic", "TopicDisallowed", "UnrelatedKeyIdInToken"),
    }
)
"""Whatever we send is answered so, until somebody has corrected the key or the topic."""

EXPIRED_PROVIDER_TOKEN: Final = "ExpiredProviderToken"
_TOKEN_UPDATE_SECONDS: Final = 60.0


_BY_REASON: Final[dict[str, Outcome]] = {
    **{reason: Outcome(Result.DEAD_TOKEN, reason) for reason in DEAD},
    **{reason: Outcome(Result.UNAVAILABLE, reason) for reason in MISCONFIGURED},
    # The adapter signs another one.
    EXPIRED_PROVIDER_TOKEN: Outcome(Result.RETRY, EXPIRED_PROVIDER_TOKEN),
    "TooManyProviderTokenUpdates": Outcome(
        Result.UNAVAILABLE, "TooManyProviderTokenUpdates", _TOKEN_UPDATE_SECONDS
    ),
    "IdleTimeout": Outcome(Result.RETRY, "IdleTimeout", suffers=True),
}
_BY_STATUS: Final[dict[int, Result]] = {
    403: Result.UNAVAILABLE,
    410: Result.DEAD_TOKEN,
    429: Result.RETRY,  # too many to this one device
}


def apns_outcome(status: int, reason: str) -> Outcome:
    """The outcome of an answer; `reason` is empty when there was none that could be read."""
    if status == 200:
        return DELIVERED
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    said = reason or f"status {status}"
    if status >= 500 or status < 400:
        return Outcome(Result.RETRY, said, suffers=True)
    return Outcome(_BY_STATUS.get(status, Result.REFUSED), said)
