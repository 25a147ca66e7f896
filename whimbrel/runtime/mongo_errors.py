"""What MongoDB's drivers raise, said in our words: UNAVAILABLE, and for a write "unknown".

Both drivers raise PyMongo's errors. Which of them means "not done" cannot be told apart well
enough (a step-down may raise although all of it was stored), so a write that raised is always an
unknown outcome; what is tried again has to be a write that can be repeated as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from whimbrel.core.errors import unavailable


@contextmanager
def reading() -> Iterator[None]:
    """Errors of the driver leave this block as UNAVAILABLE."""
    try:
        yield
    except PyMongoError as error:
        raise unavailable(_detail(error)) from error


@contextmanager
def writing() -> Iterator[None]:
    """Errors of the driver leave this block as UNAVAILABLE with outcome_unknown."""
    try:
        yield
    except PyMongoError as error:
        raise unavailable(_detail(error), outcome_unknown=True) from error


def _detail(error: PyMongoError) -> str:
    # Only the class: the text of a driver's error may name hosts and values.
    return f"MongoDB does not answer ({type(error).__name__})"
