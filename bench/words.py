"""What the checks of a send cost: forbidden words in a text, and the whole chain.

    python -m bench.words [WORDS]

The words and texts are made up of syllables, seeded; a text of 1 KiB has no word of the list in
it, which is the common case and the dearest for the search: it looks to the end.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from random import Random
from timeit import repeat

from rich.console import Console
from rich.table import Table

from services.logic.domain.model import ClientKey, Draft
from services.logic.domain.words import Action, WordFilter
from services.logic.people_parts import watch
from services.logic.settings import CheckSettings
from services.logic.usecases.checks.facts import Asked
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore
from whimbrel.testing.memory_stores.people import memory_people

WORDS = 100_000
TEXT_BYTES = 1024
_SYLLABLES = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
_CYRILLIC = [c + v for c in "бвгджзклмнпрст" for v in "аеиоу"]


def main() -> None:
    """Print the figures; the number of words may be given."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else WORDS
    random = Random(1)
    words: set[str] = set()
    while len(words) < count:
        words.add("".join(random.choice(_SYLLABLES) for _ in range(random.randint(4, 7))))
    started = time.perf_counter()
    found = WordFilter(dict.fromkeys(words, Action.REJECT))
    built = time.perf_counter() - started
    table = Table("what", "best", title=f"{len(found):,} words")
    table.add_row("build the filter", f"{built * 1000:.0f} ms")
    for name, syllables, ascii_part in (
        ("1 KiB of ASCII", _SYLLABLES, 1.0),
        ("1 KiB of ASCII with 1 % accents", _SYLLABLES, 0.99),
        ("1 KiB of Cyrillic", _CYRILLIC, 1.0),
    ):
        body = _text(random, found, syllables, ascii_part)
        table.add_row(name, f"{_best_us(lambda body=body: found.look(body)):.1f} µs")  # type: ignore[misc]
    body = _text(random, found, _SYLLABLES, 1.0)[:100]
    table.add_row("100 bytes of ASCII", f"{_best_us(lambda: found.look(body)):.1f} µs")
    table.add_row("the chain, 200 in a batch", f"{asyncio.run(_chain_us()):.1f} µs a message")
    Console().print(table)


def _text(random: Random, found: WordFilter, syllables: list[str], ascii_part: float) -> bytes:
    while True:
        pieces: list[str] = []
        size = 0
        while size < TEXT_BYTES:
            word = "".join(random.choice(syllables) for _ in range(random.randint(1, 4)))
            if random.random() > ascii_part:
                word += "é"
            pieces.append(word)
            size += len(word.encode()) + 1
        body = " ".join(pieces).encode()[:TEXT_BYTES].decode(errors="ignore").encode()
        if found.look(body) is None:
            return body


def _best_us(call: Callable[[], object], *, number: int = 500) -> float:
    return min(repeat(call, number=number, repeat=9)) / number * 1e6


async def _chain_us() -> float:
    """Facts from the cache and all checks, without a word list: what each message pays."""
    settings = CheckSettings(risky_sends_per_second=1e9)
    watched = watch(memory_people(), MemoryConversationStore(), settings, clock=time.monotonic)
    drafts = [
        Draft(
            ClientKey(f"a{number:03}", "phone", f"c{number}"),
            f"d:a{number:03}:b{number:03}",
            1,
            b"x" * 100,
        )
        for number in range(200)
    ]
    best = float("inf")
    for _ in range(200):
        started = time.perf_counter()
        gathered = await watched.facts.gather(drafts, now_ms=1, deadline=time.monotonic() + 5)
        for asked in gathered:
            if any(check(asked) is not None for check in watched.chain):
                raise AssertionError(_name(asked))
        best = min(best, time.perf_counter() - started)
    return best / len(drafts) * 1e6


def _name(asked: Asked) -> str:
    return f"{asked.draft.key} was refused"


if __name__ == "__main__":
    main()
