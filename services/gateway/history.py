"""Asks Logic what a user looks back at. One call each; whose errors are ours already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Path
from pydantic import Field, StringConstraints

from services.gateway.logic_pods import CALL_SECONDS, LogicPods, asked
from whimbrel.api.history.v1.history_pb2_grpc import HistoryServiceStub

Q = TypeVar("Q")
A = TypeVar("A")

_CONVERSATION = r"^[dg]:[A-Za-z0-9_.\-]{1,64}(:[A-Za-z0-9_.\-]{1,64})?$"

ConversationId = Annotated[str, StringConstraints(pattern=_CONVERSATION)]
"""d:USER:USER or g:ID."""
PathConversation = Annotated[str, Path(pattern=_CONVERSATION)]
PageOfMessages = Annotated[int, Field(ge=1, le=100)]


async def ask_history(
    logic: LogicPods,
    user: str,
    method: Callable[[HistoryServiceStub], Callable[..., Awaitable[A]]],
    request: object,
) -> A:
    """The answer to `request`, from the Logic pod that serves the user."""
    stub = logic.stub(user, HistoryServiceStub)
    return await asked(method(stub)(request, timeout=CALL_SECONDS))
