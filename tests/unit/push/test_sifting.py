"""Which jobs are worth a wake."""

from __future__ import annotations

import pytest

from services.push.domain.sifting import Marks, minted_ms, newest_of_each_conversation
from whimbrel.runtime.push_stream import StreamJob

CHAT = "d:alice:bob"


def job(seq: int, *, user: str = "bob", conversation: str = CHAT) -> StreamJob:
    return StreamJob(user, conversation, "alice", 1000 + seq, seq)


@pytest.mark.parametrize(
    ("cursor", "read", "passed"),
    [(0, 0, False), (6, 0, False), (7, 0, True), (0, 7, True), (9, 0, True), (6, 6, False)],
)
def test_a_job_is_passed_by_the_higher_of_cursor_and_read_mark(
    cursor: int, read: int, passed: bool
) -> None:
    assert Marks({"bob": cursor}, {("bob", CHAT): read}).passed(job(7)) is passed


def test_marks_of_others_pass_nothing() -> None:
    marks = Marks({"carol": 9}, {("bob", "g:team"): 9, ("carol", CHAT): 9})
    assert not marks.passed(job(7))
    assert not Marks().passed(job(1))


def test_an_entry_says_when_it_came() -> None:
    assert minted_ms("1700000000500-7") == 1_700_000_000_500


def test_a_user_is_woken_anew_once_for_each_conversation_newest_first() -> None:
    jobs = [job(1), job(5, conversation="g:a"), job(3), job(4, conversation="g:a"), job(2)]
    assert newest_of_each_conversation(jobs, 10) == [job(5, conversation="g:a"), job(3)]
    assert newest_of_each_conversation(jobs, 1) == [job(5, conversation="g:a")]
    assert newest_of_each_conversation([], 5) == []
