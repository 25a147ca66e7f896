"""Where an error becomes a sentence: the one place of the command that catches them.

Exit status: 0 done, 1 it could not be done (the sentence says why and what to do), 2 the command
line is wrong.
"""

from __future__ import annotations

from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.local.errors import StackError

_OURS = {"whimbrel", "services", "bench"}
_ADVICE = {
    ErrorCode.UNAUTHENTICATED: "the token is not for this cluster; `whimbrel token USER` makes one",
    ErrorCode.TOKEN_EXPIRED: "make a new one with `whimbrel token USER`",
    ErrorCode.UNAVAILABLE: "look at `whimbrel status`, then try again",
    ErrorCode.OVERLOADED: "try again later",
}


class CommandError(Exception):
    """A command cannot do what was asked; the text is the whole sentence."""


class EdgeGroup(TyperGroup):
    """A group of commands that never shows a traceback for what it expects."""

    def invoke(self, ctx: Any) -> Any:  # Any: click is inside typer or beside it, by version
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError):
            raise typer.Exit(1) from None
        except ModuleNotFoundError as error:
            _refuse(_missing(error))
        except ImportError as error:
            if (error.name or "").partition(".")[0] in _OURS:
                raise
            _refuse(f"{error.name} cannot be used ({error.msg}): {_INSTALL}")
        except Exception as error:
            sentence = _sentence(error)
            if sentence is None:
                raise
            _refuse(sentence)


_INSTALL = "pip install 'whimbrel[server,local]'"


def _missing(error: ModuleNotFoundError) -> str:
    name = (error.name or "").partition(".")[0]
    if name in _OURS:
        raise error  # ours: a bug, not a missing extra
    return f"this command needs the package {name}, which is not installed: {_INSTALL}"


def _sentence(error: Exception) -> str | None:
    """What to tell the person; None for what nobody expected."""
    if isinstance(error, (StackError, CommandError)):
        return str(error)
    if isinstance(error, WhimbrelError):
        advice = _ADVICE.get(error.code)
        unknown = " (it may have been sent all the same)" if error.outcome_unknown else ""
        told = f"{error.detail} ({error.code.name}){unknown}"
        return f"{told}: {advice}" if advice else told
    from whimbrel.client.events import ConnectionClosed

    if isinstance(error, ConnectionClosed):
        return f"the server has ended the session: {error}"
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        inner = error.exceptions[0]
        return _sentence(inner) if isinstance(inner, Exception) else None
    return None


def _refuse(sentence: str) -> NoReturn:
    typer.echo(f"whimbrel: {sentence}", err=True)
    raise typer.Exit(1)
