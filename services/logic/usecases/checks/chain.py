"""The checks of a send, one function each, and the order in which they are asked.

Each looks at what is known and answers with why the send is refused, or None. None of them asks
a store: `facts` has done that for the whole batch. A resend was looked up before all of them
(rule 2).

A refusal that will end some time (a ban, a mute) carries no retry_after: the SDK would keep the
message and send it then, long after its writer has gone on. Only a rate that was too high, and
is not soon, does.
"""

from __future__ import annotations

from collections.abc import Callable

from services.logic.domain import body_kinds
from services.logic.domain.risk import (
    AT_RISK,
    RATE_HALF_LIFE_SECONDS,
    SendRates,
    seconds_until_safe,
)
from services.logic.domain.words import Action, Found
from services.logic.usecases.checks.facts import Asked
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid

MAX_WAIT_SECONDS = 60.0
Check = Callable[[Asked], WhimbrelError | None]


def chain(
    *,
    rates: SendRates,
    risk_half_life_seconds: float,
    strangers_may_write: bool,
    takes_encrypted: bool,
    look: Callable[[bytes], Found | None],
    on_found: Callable[[Asked, Found], None],
) -> tuple[Check, ...]:
    """The checks in their order; the first that refuses is the answer."""
    return (
        not_banned,
        not_at_risk(rates, risk_half_life_seconds),
        not_of_the_system,
        *(() if takes_encrypted else (not_encrypted,)),
        in_a_conversation,
        a_member,
        not_muted,
        not_blocked,
        known_if_strangers_may_not(strangers_may_write),
        without_forbidden_words(look, on_found),
    )


def not_banned(asked: Asked) -> WhimbrelError | None:
    """A ban is the gateway's; it holds here within 2 s."""
    until_ms = asked.ban.until_ms
    if until_ms is not None and until_ms <= asked.now_ms:
        return None
    return WhimbrelError(ErrorCode.BANNED, f"{asked.sender} is banned")


def not_at_risk(rates: SendRates, half_life_seconds: float) -> Check:
    """Reports, admins and the rate of sends together."""

    def check(asked: Asked) -> WhimbrelError | None:
        rate = rates.note(asked.sender, asked.now)
        points = asked.risk.points_at(asked.now_ms, half_life_seconds)
        if rate + points < AT_RISK:
            return None
        wait = None
        if points < AT_RISK / 2:
            wait = min(MAX_WAIT_SECONDS, seconds_until_safe(rate + points, RATE_HALF_LIFE_SECONDS))
        return WhimbrelError(
            ErrorCode.AT_RISK, f"{asked.sender} is at risk now", retry_after_seconds=wait
        )

    return check


def not_of_the_system(asked: Asked) -> WhimbrelError | None:
    """Only Logic itself writes system messages, and it asks no check. The body of a recall is
    Access's, for clients that know no attributes."""
    if asked.draft.body_kind == body_kinds.SYSTEM and not asked.draft.attributes.recalls:
        return invalid("clients send no system messages")
    return None


def not_encrypted(asked: Asked) -> WhimbrelError | None:
    """Where every body has to be one that servers can read."""
    if asked.draft.body_kind == body_kinds.ENCRYPTED:
        return WhimbrelError(
            ErrorCode.PERMISSION_DENIED, "encrypted bodies are not permitted here: send a text"
        )
    return None


def in_a_conversation(asked: Asked) -> WhimbrelError | None:
    """There is such a conversation."""
    if asked.malformed is not None:
        return asked.malformed
    if asked.participants is None:
        return WhimbrelError(
            ErrorCode.UNKNOWN_CONVERSATION,
            f"no conversation has the id {asked.draft.conversation!r}",
        )
    return None


def a_member(asked: Asked) -> WhimbrelError | None:
    """The sender is in it."""
    if asked.participants is not None and asked.sender not in asked.participants:
        return WhimbrelError(
            ErrorCode.NOT_A_MEMBER, f"{asked.sender} is not a member of {asked.draft.conversation}"
        )
    return None


def not_muted(asked: Asked) -> WhimbrelError | None:
    """Neither the sender nor everybody is muted in the group."""
    standing = asked.standing
    if standing is None:
        return None
    until_ms = standing.muted_until_ms.get(asked.sender, 0)
    if standing.all_muted_until_ms and asked.sender not in standing.talkers:
        until_ms = max(until_ms, standing.all_muted_until_ms)
    if until_ms <= asked.now_ms:
        return None
    return WhimbrelError(
        ErrorCode.MUTED,
        f"{asked.sender} is muted in {asked.draft.conversation}",
    )


def not_blocked(asked: Asked) -> WhimbrelError | None:
    """Neither of the two has blocked the other. In a group nobody is blocked."""
    if asked.relation.is_blocked:
        return WhimbrelError(ErrorCode.BLOCKED, "one of the two has blocked the other")
    return None


def known_if_strangers_may_not(strangers_may_write: bool) -> Check:
    """They are friends, where the one who is written to, or the deployment, wants that."""

    def check(asked: Asked) -> WhimbrelError | None:
        if asked.pair is None or asked.relation.are_friends:
            return None
        permits = asked.privacy.strangers_may_write
        if strangers_may_write if permits is None else permits:
            return None
        return WhimbrelError(
            ErrorCode.NOT_FRIENDS,
            f"{asked.pair.other(asked.sender)} takes messages from friends only",
        )

    return check


def without_forbidden_words(
    look: Callable[[bytes], Found | None], on_found: Callable[[Asked, Found], None]
) -> Check:
    """The last one: it may change what is stored."""

    def check(asked: Asked) -> WhimbrelError | None:
        if asked.draft.body_kind != body_kinds.TEXT:
            return None
        found = look(asked.draft.body)
        if found is None:
            return None
        on_found(asked, found)
        if found.action is Action.REJECT:
            return WhimbrelError(
                ErrorCode.FORBIDDEN_WORDS, "the text has words that are forbidden here"
            )
        if found.body is not asked.draft.body:
            asked.body = found.body
        return None

    return check
