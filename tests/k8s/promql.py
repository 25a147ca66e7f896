"""What a PromQL expression names: its series with the labels that it asks for, the labels that it
groups by, its functions, its divisors. A tokenizer, not a parser: it refuses what it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

AGGREGATES: Final = {"sum", "min", "max", "avg", "count"}
FUNCTIONS: Final = {"absent", "clamp_min", "histogram_quantile", "increase", "rate"}
RANGED: Final = {"increase", "rate"}
_GROUPING: Final = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_OPERATORS: Final = {"and", "or", "unless", "bool", "offset"}
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![a-z\d]))
    |(?P<span>\[(?:\d+[smhd]|\$__rate_interval)\])
    |(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},]))""",
    re.VERBOSE,
)


@dataclass
class Selector:
    """A series as an expression asks for it."""

    name: str
    labels: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Operator and value by label."""
    is_ranged: bool = False


@dataclass
class Expression:
    """Everything that an expression names."""

    selectors: list[Selector] = field(default_factory=list)
    grouping: set[str] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)
    divisors: list[str] = field(default_factory=list)
    """The first token of what is divided by."""


class UnreadableError(ValueError):
    """This is no expression, or one that the tests do not know how to read."""


def tokens_of(text: str) -> list[tuple[str, str]]:
    """Kind and token, from the first to the last character."""
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise UnreadableError(text[at:])
        found.append((match.lastgroup or "", match[match.lastgroup or 0]))
        at = match.end()
    return found


def read(text: str) -> Expression:
    """What the expression names. Raises UnreadableError."""
    expression = Expression()
    depth = 0
    tokens = iter([*tokens_of(text), ("end", "")])
    kind, token = next(tokens)
    while kind != "end":
        following = next(tokens)
        if token in ("(", ")"):
            depth += 1 if token == "(" else -1
        elif token == "/":
            expression.divisors.append(following[1])
        elif kind == "span":
            expression.selectors[-1].is_ranged = True
        elif kind == "word" and token in _GROUPING:
            expression.grouping |= set(_names(tokens, following))
            following = next(tokens)
        elif kind == "word" and token in AGGREGATES | FUNCTIONS:
            expression.functions.append(token)
        elif kind == "word" and following[1] == "(":
            if token not in _OPERATORS:
                raise UnreadableError(f"an unknown function: {token}")
        elif kind == "word" and token not in _OPERATORS:
            selector = Selector(token)
            if following[1] == "{":
                selector.labels = _matchers(tokens)
                following = next(tokens)
            expression.selectors.append(selector)
        kind, token = following
    if depth:
        raise UnreadableError(f"{depth} parentheses are open")
    return expression


def _names(tokens: Iterator[tuple[str, str]], opening: tuple[str, str]) -> list[str]:
    if opening[1] != "(":
        raise UnreadableError("a grouping without labels")
    names = []
    while (token := next(tokens))[1] != ")":
        if token[0] == "word":
            names.append(token[1])
        elif token[1] != ",":
            raise UnreadableError(f"in a grouping: {token[1]}")
    return names


def _matchers(tokens: Iterator[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    labels: dict[str, tuple[str, str]] = {}
    while (token := next(tokens))[1] != "}":
        if token[1] == ",":
            continue
        (_, sign), (kind, value) = next(tokens), next(tokens)
        if sign not in ("=", "!=", "=~", "!~") or kind != "text":
            raise UnreadableError(f"in a selector: {token[1]}{sign}{value}")
        labels[token[1]] = (sign, value[1:-1])
    return labels
