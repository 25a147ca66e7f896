"""How the commands of `whimbrel group` ask a Logic pod, and say what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import typer

from whimbrel.cli.group_view import group_json
from whimbrel.cli.logic_calls import ask_logic

if TYPE_CHECKING:
    from whimbrel.api.groups.v1 import groups_pb2
    from whimbrel.api.groups.v1.groups_pb2_grpc import GroupsServiceStub

T = TypeVar("T")


def change(by: str, conversation: str) -> dict[str, Any]:
    """What every change says. Its own name, so that another pod may be asked the same again."""
    return {"caller_id": by, "conversation_id": conversation, "request_id": uuid4().hex}


def ask_group(
    data: Path | None,
    method: Callable[[GroupsServiceStub], Callable[..., Awaitable[T]]],
    request: object,
) -> T:
    """The answer of a Logic pod of the stack in `data`."""
    from whimbrel.api.groups.v1.groups_pb2_grpc import GroupsServiceStub

    return asyncio.run(ask_logic(data, GroupsServiceStub, method, request))


def say_changed(group: groups_pb2.Group, sentence: str, *, as_json: bool) -> None:
    """The group as it is now, or a sentence about it."""
    typer.echo(json.dumps(group_json(group)) if as_json else sentence)


def say_gone(conversation: str, done: str, *, as_json: bool) -> None:
    """There is no group to show any more: its id, and what was done."""
    said = json.dumps({"conversation_id": conversation}) if as_json else f"{done} {conversation}"
    typer.echo(said)
