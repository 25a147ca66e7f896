"""The list of forbidden words, for administrators. The audit log has how many, never which."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Final, Literal, TypeVar

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from services.gateway.caller import Admin
from services.gateway.fields import PageSize, RequestBody
from services.gateway.parts import Parts, PartsDep
from whimbrel.api.moderation.v1 import moderation_pb2 as pb
from whimbrel.api.moderation.v1.moderation_pb2_grpc import ModerationServiceStub
from whimbrel.runtime.logic_pods import ask

router = APIRouter(prefix="/v1/admin/words", tags=["moderation"])

A = TypeVar("A")

LIST: Final = "words"
"""What the audit log calls it. Also the key of its pod: two changes at once meet there."""
MAX_WORDS: Final = 5000
"""In one request: as many as fit into one, nearly. The list itself may have 200,000."""

ActionName = Literal["flag", "mask", "reject"]
_ACTION_OF: dict[ActionName, pb.WordAction.ValueType] = {
    "flag": pb.WORD_ACTION_FLAG,
    "mask": pb.WORD_ACTION_MASK,
    "reject": pb.WORD_ACTION_REJECT,
}
_ACTION_NAME = {number: name for name, number in _ACTION_OF.items()}
# Not of spaces alone: there would be nothing to find.
WordText = Annotated[str, StringConstraints(max_length=64, pattern=r"\S")]


class Word(RequestBody):
    """A forbidden word, and what happens to a message with it."""

    text: WordText
    """1 to 64 characters. However it is spelled: case, spaces and marks do not count."""
    action: ActionName
    """It passes and moderators see it; it passes with the word masked; it is rejected."""


class WordsChange(RequestBody):
    """Words to add, or with another action."""

    words: Annotated[list[Word], Field(min_length=1, max_length=MAX_WORDS)]


class WordsRemoval(RequestBody):
    """Words to take away."""

    texts: Annotated[list[WordText], Field(min_length=1, max_length=MAX_WORDS)]


class WordsReplacement(RequestBody):
    """The whole list, or the first of it."""

    words: Annotated[list[Word], Field(max_length=MAX_WORDS)]
    """Empty: nothing is forbidden. More than one request takes is added afterwards."""


class WordAnswer(BaseModel):
    """A forbidden word."""

    text: str
    action: ActionName


@router.get("")
async def list_words(
    admin: Admin,
    parts: PartsDep,
    limit: PageSize = 50,
    after: Annotated[str, Query(max_length=64)] = "",
) -> list[WordAnswer]:
    """The words in their order, a page at a time: those after this one."""
    request = pb.ListWordsRequest(after=after, limit=limit)
    page = await _ask(parts, lambda stub: stub.ListWords, request)
    return [WordAnswer(text=one.text, action=_ACTION_NAME[one.action]) for one in page.words]


@router.post("", status_code=204)
async def put_words(body: WordsChange, admin: Admin, parts: PartsDep) -> Response:
    """Add words, or change what they do. Holds within 2 s and the time to build the list."""
    await parts.administer.record(admin.user_id, "words.put", LIST, words=str(len(body.words)))
    request = pb.PutWordsRequest(words=_words(body.words))
    await _ask(parts, lambda stub: stub.PutWords, request)
    return Response(status_code=204)


@router.post("/remove", status_code=204)
async def remove_words(body: WordsRemoval, admin: Admin, parts: PartsDep) -> Response:
    """Take words away; those that are not on the list change nothing."""
    await parts.administer.record(admin.user_id, "words.remove", LIST, words=str(len(body.texts)))
    request = pb.RemoveWordsRequest(texts=body.texts)
    await _ask(parts, lambda stub: stub.RemoveWords, request)
    return Response(status_code=204)


@router.put("", status_code=204)
async def replace_words(body: WordsReplacement, admin: Admin, parts: PartsDep) -> Response:
    """These words and no others, at once."""
    await parts.administer.record(admin.user_id, "words.replace", LIST, words=str(len(body.words)))
    request = pb.ReplaceWordsRequest(words=_words(body.words))
    await _ask(parts, lambda stub: stub.ReplaceWords, request)
    return Response(status_code=204)


def _words(words: Iterable[Word]) -> list[pb.Word]:
    return [pb.Word(text=one.text, action=_ACTION_OF[one.action]) for one in words]


async def _ask(
    parts: Parts,
    method: Callable[[ModerationServiceStub], Callable[..., Awaitable[A]]],
    request: object,
) -> A:
    return await ask(parts.logic, LIST, ModerationServiceStub, method, request)
