"""What a text is found by, and what a query asks for."""

from __future__ import annotations

import random

import pytest

from services.logic.domain.search_words import MAX_WORD, MAX_WORDS, Query, query_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Meet me at 9, Bob!", ("meet", "me", "at", "9", "bob")),
        ("again AGAIN Again", ("again",)),
        ("Straße ＦＵＬＬ　ｗｉｄｔｈ", ("strasse", "full", "width")),
        ("don't e-mail", ("don", "t", "e", "mail")),
        ("今天wifi坏了", ("今", "天", "今天", "wifi", "坏", "了", "坏了")),
        ("प्रणाम привет", ("प्रणाम", "привет")),
        ("…!?", ()),
        ("", ()),
    ],
)
def test_a_text_is_found_by_its_folded_words(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_a_text_of_ascii_is_found_by_the_same_words_as_beside_others() -> None:
    chance = random.Random(7)
    for length in range(300):
        text = "".join(chr(chance.randrange(128)) for _ in range(length)) + "."
        assert (*words_of(text), "今") == words_of(text + "今"), repr(text)


def test_a_text_has_a_bounded_number_of_bounded_words() -> None:
    assert len(words_of(" ".join(str(n) for n in range(3 * MAX_WORDS)))) == MAX_WORDS
    assert words_of("x" * 1000) == ("x" * MAX_WORD,)
    assert len(words_of("".join(chr(0x4E00 + n) for n in range(20_000)))) == MAX_WORDS


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("meet Bo", Query(("meet",), "bo")),
        ("meet Bob ", Query(("meet", "bob"), "")),
        ("bob, bob!", Query(("bob",), "")),
        ("今天", Query(("今天",), "")),
        ("今", Query(("今",), "")),
        ("今天 wi", Query(("今天",), "wi")),
        ("  …", Query((), "")),
    ],
)
def test_a_query_asks_for_all_words_and_its_last_may_be_unfinished(text: str, query: Query) -> None:
    assert query_of(text) == query


@pytest.mark.parametrize("text", ["Meet me at 9, Bob!", "今天wifi坏了", "x" * 1000, "ﬁne ΣΊΣΥΦΟΣ"])
def test_a_text_is_found_by_itself(text: str) -> None:
    words = words_of(text)
    query = query_of(text)
    assert set(query.words) <= set(words)
    assert any(word.startswith(query.prefix) for word in words)
