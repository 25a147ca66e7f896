"""Forbidden words: finds them in a text, however it is spelled, and says what is to be done.

A text and the words are brought to one form first: NFKC, case folded, without spaces, control
and format characters (zero width) and combining marks. All words are then found in one pass
(Aho-Corasick), so the number of words does not count. ASCII, the common case, is brought to that
form by one translation of bytes.

Words are found anywhere, also inside others: without spaces there are no borders of words.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

import ahocorasick_rs

MASK: Final = "*"


class Action(enum.IntEnum):
    """What happens to a message with the word; the highest of those that are found holds."""

    FLAG = 1
    """It passes, and moderators see it."""
    MASK = 2
    """It passes with the word masked."""
    REJECT = 3


class Found(NamedTuple):
    """What was found in a text."""

    action: Action
    words: tuple[str, ...]
    body: bytes
    """The text as it may pass: masked where a word asks for that."""


_ASCII_LOWER: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_ASCII_DROPPED: Final = bytes([*range(33), 127])
_DROPPED_CATEGORIES: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Me"})
_BASIC: Final = range(0x80, 0x10000)
_BEYOND: Final = (*range(0x10000, 0x20000), *range(0xE0000, 0xE0200))
"""Where characters of these categories are, beyond ASCII."""
_BEYOND_ANY: Final = re.compile("[\U00010000-\U0010ffff]")


@cache
def _dropped(codes: Sequence[int]) -> re.Pattern[str]:
    """Finds those of these characters that fall out of a text. Made once, in some 10 ms."""
    found = [code for code in codes if unicodedata.category(chr(code)) in _DROPPED_CATEGORIES]
    return re.compile("[" + "".join(re.escape(chr(code)) for code in found) + "]+")


class Spelling:
    """Brings texts to the one form."""

    def __init__(self) -> None:
        # Two, because a set with characters beyond the basic plane is searched ten times slower.
        self._basic = _dropped(_BASIC)
        self._beyond = _dropped(_BEYOND)

    def normalised(self, body: bytes) -> bytes:
        """UTF-8 in, UTF-8 out; bytes that are no UTF-8 count as characters nobody forbids."""
        if body.isascii():
            return body.translate(_ASCII_LOWER, _ASCII_DROPPED)
        text = unicodedata.normalize("NFKC", body.decode(errors="replace")).casefold()
        # Folding can leave a form that is not composed: U+1FB3 and its kind.
        text = unicodedata.normalize("NFKC", text)
        form = text.encode().translate(None, _ASCII_DROPPED)
        if form.decode().isalnum():
            return form  # letters and digits alone, as most texts are: nothing falls out
        text = self._basic.sub("", text)
        if _BEYOND_ANY.search(text):
            text = self._beyond.sub("", text)
        return text.encode().translate(None, _ASCII_DROPPED)

    def pieces(self, text: str) -> list[tuple[int, int, bytes]]:
        """The text cut where a character begins that others join (from, to, normalised)."""
        starts = [
            index
            for index, character in enumerate(text)
            if index == 0 or not unicodedata.combining(character)
        ]
        ends = [*starts[1:], len(text)]
        return [
            (start, end, self.normalised(text[start:end].encode(errors="replace")))
            for start, end in zip(starts, ends, strict=True)
        ]


class WordFilter:
    """All words of a list. Building takes some µs for each word and holds the interpreter."""

    def __init__(self, words: Mapping[str, Action]) -> None:
        self._spelling = Spelling()
        by_form: dict[bytes, tuple[str, Action]] = {}
        for word, action in words.items():
            form = self._spelling.normalised(word.encode())
            known = by_form.get(form)
            if form and (known is None or action > known[1]):
                by_form[form] = (word, action)
        self._words = list(by_form.values())
        self._lengths = [len(form) for form in by_form]
        self._finder = ahocorasick_rs.BytesAhoCorasick(list(by_form)) if by_form else None

    def __len__(self) -> int:
        return len(self._words)

    def look(self, body: bytes) -> Found | None:
        """What is found in this text (UTF-8); None for nothing."""
        if self._finder is None:
            return None
        form = self._spelling.normalised(body)
        matches = self._finder.find_matches_as_indexes(form, overlapping=True)
        if not matches:
            return None
        action = max(self._words[index][1] for index, _, _ in matches)
        words = tuple(dict.fromkeys(self._words[index][0] for index, _, _ in matches))
        if action is Action.REJECT:
            return Found(action, words, body)
        masked = [
            (start, end) for index, start, end in matches if self._words[index][1] is Action.MASK
        ]
        return Found(action, words, self._masked(body, form, masked) if masked else body)

    def _masked(self, body: bytes, form: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
        """The body with the characters that the spans of its form come from masked, spaces
        between them too."""
        text = body.decode(errors="replace")
        pieces = self._spelling.pieces(text)
        if b"".join(piece for _, _, piece in pieces) != form:
            # Characters joined over a border of pieces: where a word stood cannot be told.
            return MASK.encode() * len(text)
        characters = list(text)
        at, places = 0, []
        for start, end, piece in pieces:
            if piece:
                places.append((at, at + len(piece), start, end))
            at += len(piece)
        for first, last in spans:
            hit = [(start, end) for low, high, start, end in places if low < last and high > first]
            for index in range(hit[0][0], hit[-1][1]):
                characters[index] = MASK
        return "".join(characters).encode()
