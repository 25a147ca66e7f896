"""Forbidden words are found however they are spelled, and only what was asked is done."""

from __future__ import annotations

from random import Random

import pytest

from services.logic.domain.words import Action, WordFilter

WORDS = WordFilter(
    {
        "Badger": Action.REJECT,
        "stoat": Action.MASK,
        "weasel": Action.FLAG,
        "straße": Action.MASK,
        "плохо": Action.MASK,
        "禁止": Action.REJECT,
        "café": Action.MASK,
    }
)


@pytest.mark.parametrize(
    "text",
    [
        "a badger",
        "BADGER",
        "bad\u200bger",
        "b a d g e r",
        "b\u00adadger",
        "ｂａｄｇｅｒ",
        "𝐛𝐚𝐝𝐠𝐞𝐫",
        "b\u0335a\u0335dger",
        "bad\u2060 \u00a0ger",
        "bad\nger",
        "so 禁\u200d止",
    ],
)
def test_a_word_is_found_however_it_is_spelled(text: str) -> None:
    found = WORDS.look(text.encode())
    assert found is not None
    assert found.action is Action.REJECT


@pytest.mark.parametrize("text", ["", "good", "bad ge", "badgr", "\x00", "é"])
def test_other_texts_pass(text: str) -> None:
    assert WORDS.look(text.encode()) is None


def test_bytes_that_are_no_text_are_looked_at_and_pass() -> None:
    assert WORDS.look(b"\xff\xfe good \x80") is None
    found = WORDS.look(b"\xff stoat")
    assert found is not None
    assert found.body.decode().endswith(" *****")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("the stoat runs", "the ***** runs"),
        ("STOAT, s t oat!", "*****, *******!"),
        ("s\u200btoat x", "****** x"),
        ("die Straße, die STRASSE", "die ******, die *******"),
        ("очень ПЛОХО", "очень *****"),
        ("un café, un cafe\u0301", "un ****, un *****"),
        ("stoatstoat", "**********"),
    ],
)
def test_a_masked_word_leaves_the_rest_as_it_was(text: str, masked: str) -> None:
    found = WORDS.look(text.encode())
    assert found is not None
    assert found.action is Action.MASK
    assert found.body.decode() == masked


def test_the_strongest_action_holds_and_all_words_are_named() -> None:
    found = WORDS.look(b"weasel and stoat")
    assert found is not None
    assert (found.action, set(found.words)) == (Action.MASK, {"weasel", "stoat"})
    assert found.body == b"weasel and *****"
    rejected = WORDS.look(b"weasel and stoat and badger")
    assert rejected is not None
    assert rejected.action is Action.REJECT


def test_a_flagged_text_is_not_touched() -> None:
    body = "a weasel \u200b".encode()
    found = WORDS.look(body)
    assert found is not None
    assert (found.action, found.body) == (Action.FLAG, body)


def test_a_word_inside_another_is_found_too() -> None:
    nested = WordFilter({"cat": Action.FLAG, "concatenate": Action.REJECT})
    found = nested.look(b"concatenate")
    assert found is not None
    assert set(found.words) == {"cat", "concatenate"}


@pytest.mark.parametrize("seed", range(50))
def test_masking_leaves_no_word_and_keeps_every_other_character(seed: int) -> None:
    random = Random(seed)
    alphabet = "stoaтпx é\u0301\u200bßS ｓ"
    text = "".join(random.choice(alphabet) for _ in range(60)) + " stoat"
    found = WORDS.look(text.encode())
    assert found is not None
    masked = found.body.decode()
    assert WORDS.look(found.body) is None
    assert len(masked) == len(text)
    assert all(new in (old, "*") for old, new in zip(text, masked, strict=True))


def test_words_of_nothing_but_spaces_forbid_nothing() -> None:
    assert len(WordFilter({"\u200b \u0301": Action.REJECT})) == 0
    assert WordFilter({}).look(b"anything") is None
