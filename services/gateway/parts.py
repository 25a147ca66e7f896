"""What routes stand on: made once by the bootstrap, handed to a route by FastAPI's Depends.

A route that needs more adds a field here and fills it in the bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.gateway.logic_pods import LogicPods
from whimbrel.runtime.stores import Database
from whimbrel.runtime.tokens import TokenVerifier


@dataclass(frozen=True)
class Parts:
    """Everything that routes may use."""

    tokens: TokenVerifier
    logic: LogicPods
    database: Database


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]
"""As the type of a route's parameter: the parts."""
