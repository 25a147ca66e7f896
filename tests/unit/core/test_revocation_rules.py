"""Who is shut out by what was revoked, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.revocations import Credential, Revocation, RevocationTable

AT, UNTIL = 1000.0, 2000.0


def table(*revocations: Revocation, now: float = AT) -> RevocationTable:
    made = RevocationTable()
    for one in revocations:
        made.add(one, now)
    return made


def test_an_account_shuts_out_what_was_issued_until_then_and_nothing_later() -> None:
    revoked = table(Revocation("alice", AT, UNTIL))
    assert revoked.refuses(Credential("alice", "l1", AT))
    assert revoked.refuses(Credential("alice", "", AT - 1), "phone")
    assert not revoked.refuses(Credential("alice", "l2", AT + 0.001))
    assert not revoked.refuses(Credential("bob", "l1", AT - 1))
    assert revoked.refuses(Credential("alice", "", 0.0)), "a token that does not say when"


def test_a_device_shuts_out_itself_alone() -> None:
    revoked = table(Revocation("alice", AT, UNTIL, device_id="phone"))
    assert revoked.refuses(Credential("alice", "", AT), "phone")
    assert not revoked.refuses(Credential("alice", "", AT), "desk")
    assert not revoked.refuses(Credential("alice", "", AT + 1), "phone")
    assert not revoked.refuses(Credential("bob", "", AT), "phone")


def test_a_login_shuts_out_all_its_tokens_whenever_they_were_issued() -> None:
    revoked = table(Revocation("alice", AT, UNTIL, login_id="l1"))
    assert revoked.refuses(Credential("alice", "l1", AT + 500), "any")
    assert not revoked.refuses(Credential("alice", "l2", AT - 500))
    assert not revoked.refuses(Credential("alice", "", AT - 500))


def test_the_login_that_is_excepted_stays_unless_its_device_goes_too() -> None:
    revoked = table(
        Revocation("alice", AT, UNTIL, but_login_id="l1"),
        Revocation("alice", AT, UNTIL, device_id="phone"),
    )
    assert not revoked.refuses(Credential("alice", "l1", AT), "desk")
    assert revoked.refuses(Credential("alice", "l1", AT), "phone")
    assert revoked.refuses(Credential("alice", "l2", AT), "desk")
    assert revoked.refuses(Credential("alice", "", AT), "desk")


def test_what_is_told_again_is_no_news_and_never_goes_back() -> None:
    revoked = RevocationTable()
    later = Revocation("alice", AT + 5, UNTIL)
    assert revoked.add(later, AT)
    assert not revoked.add(later, AT)
    assert not revoked.add(Revocation("alice", AT, UNTIL), AT)
    assert revoked.refuses(Credential("alice", "", AT + 5))
    assert len(revoked) == 1


def test_it_is_forgotten_when_the_last_token_has_expired() -> None:
    revoked = table(Revocation("alice", AT, UNTIL), Revocation("bob", AT, UNTIL + 10))
    assert not revoked.add(Revocation("carol", AT, UNTIL), UNTIL), "it is over already"
    assert len(revoked) == 1
    assert not revoked.refuses(Credential("alice", "", AT))
    assert revoked.refuses(Credential("bob", "", AT))


def test_one_that_was_renewed_is_not_forgotten_with_the_first() -> None:
    revoked = table(Revocation("alice", AT, UNTIL), Revocation("alice", AT + 500, UNTIL + 500))
    revoked.add(Revocation("bob", UNTIL, UNTIL + 900), UNTIL + 1)
    assert revoked.refuses(Credential("alice", "", AT + 500))


def test_it_is_bounded_and_counts_what_it_drops() -> None:
    revoked = RevocationTable(max_revocations=3)
    for number in range(5):
        revoked.add(Revocation(f"user-{number}", AT, UNTIL + number), AT)
    assert (len(revoked), revoked.dropped) == (3, 2)
    assert not revoked.refuses(Credential("user-0", "", AT))
    assert revoked.refuses(Credential("user-4", "", AT))


NAMES = st.sampled_from(["", "a", "b"])
TIMES = st.integers(1, 8).map(float)


@pytest.mark.timeout(60)
@given(
    st.lists(st.builds(Revocation, st.sampled_from("uv"), TIMES, TIMES, NAMES, NAMES, NAMES)),
    st.builds(Credential, st.sampled_from("uv"), NAMES, TIMES),
    NAMES,
)
def test_it_says_what_a_list_of_the_newest_would(
    revocations: list[Revocation], credential: Credential, device: str
) -> None:
    revoked = RevocationTable()
    newest: dict[str, Revocation] = {}
    for now, one in enumerate(revocations):
        revoked.add(one, float(now))
        newest = {key: kept for key, kept in newest.items() if kept.until > now}
        if one.until > now and (one.key not in newest or newest[one.key].at < one.at):
            newest[one.key] = one

    def means(one: Revocation) -> bool:
        user, login, issued_at = credential
        if one.login_id:
            return one.login_id == login
        if one.user_id != user or issued_at > one.at:
            return False
        if one.device_id:
            return one.device_id == device
        return not (login and login == one.but_login_id)

    assert revoked.refuses(credential, device) is any(means(one) for one in newest.values())
