"""From a text to the words that it is found by, and from a query to the words that it asks for.

Words are runs of letters, digits and marks, normalised (NFKC) and case-folded. Scripts that are
written without spaces have no such runs, so each of their characters and each pair of neighbours
is a word: a query of several characters asks for its pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final, NamedTuple

MAX_WORDS: Final = 500
"""Words that one message is found by: each is a key of the index."""
MAX_WORD: Final = 40
"""Characters of a word that count; longer ones are cut, in texts and queries alike."""

_MARKS = "".join(
    chr(code) for code in range(0x300, 0x11F00) if unicodedata.category(chr(code))[0] == "M"
)
"""Vowel signs and accents: parts of a word that the regular expression's \\w leaves out."""
_RUN = re.compile(rf"\w[\w{_MARKS}]*")
_ASCII_RUN = re.compile(r"\w+", re.ASCII)
_DENSE = re.compile(
    "[\u2e80-\u2fdf\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Han, Hiragana and Katakana."""


class Query(NamedTuple):
    """What a message must have: all of `words`, and a word that begins with `prefix` unless that
    is empty."""

    words: tuple[str, ...]
    prefix: str

    def matches(self, words: Collection[str]) -> bool:
        """Whether a text with these words has what is asked for."""
        return set(self.words) <= set(words) and (
            not self.prefix or any(word.startswith(self.prefix) for word in words)
        )


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, each once, in the order of their first use; at most 500."""
    if text.isascii():
        # The same in a fifth of the time: it is normal, has no marks, and nothing is dense.
        runs = _ASCII_RUN.findall(text.lower())
        return tuple(dict.fromkeys(run[:MAX_WORD] for run in runs))[:MAX_WORDS]
    found: dict[str, None] = {}
    for run in _runs(text):
        if _DENSE.fullmatch(run):
            found.update(dict.fromkeys(run))
            found.update(dict.fromkeys(run[i : i + 2] for i in range(len(run) - 1)))
        else:
            found[run[:MAX_WORD]] = None
        if len(found) >= MAX_WORDS:
            break
    return tuple(found)[:MAX_WORDS]


def query_of(text: str) -> Query:
    """What a query asks for. Its last word may be unfinished, unless something follows it."""
    runs = _runs(text)
    if not runs:
        return Query((), "")
    last = runs[-1]
    is_open = not _DENSE.fullmatch(last) and text[-1:].isalnum() and len(last) < MAX_WORD
    words: dict[str, None] = {}
    for run in runs[:-1] if is_open else runs:
        if _DENSE.fullmatch(run) and len(run) > 1:
            words.update(dict.fromkeys(run[i : i + 2] for i in range(len(run) - 1)))
        else:
            words[run[:MAX_WORD]] = None
    return Query(tuple(words), last if is_open else "")


def _runs(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    runs: list[str] = []
    for run in _RUN.findall(folded):
        end = 0
        for dense in _DENSE.finditer(run):
            runs += [run[end : dense.start()], dense[0]]
            end = dense.end()
        runs.append(run[end:])
    return [run for run in runs if run]
