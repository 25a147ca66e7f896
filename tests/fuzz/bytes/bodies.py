"""Bytes that come over HTTP: bodies of every route, headers of uploads and ranges, and what other
servers answer us. Without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from google.protobuf.message import DecodeError
from pydantic import TypeAdapter, ValidationError

from services.gateway.domain.key_proofs import check_publication
from services.gateway.domain.ranges import UnsatisfiableRangeError, asked_range, disposition
from services.gateway.domain.tus import parse_metadata, parse_size
from services.gateway.errors import install_error_handlers
from services.gateway.fields import ConversationId, Id64, Name, RequestBody, ShownName
from services.gateway.messages import MessageAnswer, entry_json, json_response
from services.gateway.routes import ROUTERS
from services.gateway.routes.device_keys import KeyPublication
from services.logic.domain.verdicts import parse_verdicts
from services.push.domain.fcm_answers import read_fcm_error
from tests.fuzz.bytes.records import split
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.errors import WhimbrelError

_APP = FastAPI()
install_error_handlers(_APP)
_MALFORMED: Any = _APP.exception_handlers[RequestValidationError]
_FIELDS = [TypeAdapter(one) for one in (ConversationId, Id64, Name, ShownName)]
MAX_RECORDS = 16


def _models(parent: type[RequestBody] = RequestBody) -> list[type[RequestBody]]:
    found = []
    for model in parent.__subclasses__():
        found += [model, *_models(model)]
    return sorted(found, key=lambda one: (one.__module__, one.__name__))


assert ROUTERS, "the routes define the bodies"
MODELS = _models()


def _body(model: type[RequestBody], payload: bytes) -> None:
    """As FastAPI reads a body: JSON, then the model; the refusal has to be one that can be sent."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return
    try:
        read = model.model_validate(said)
    except ValidationError as error:
        refusal = RequestValidationError(error.errors(), body=said)
        with suppress(StopIteration):  # it has answered, without waiting for anything
            _MALFORMED(None, refusal).send(None)
        return
    if isinstance(read, KeyPublication):
        check_publication("alice", "phone", read.publication())


def _headers(payload: bytes) -> None:
    header = payload.decode("latin-1")
    for parse in (
        lambda: parse_metadata(header),
        lambda: parse_size("Upload-Length", header),
        lambda: asked_range(header, 1000),
        lambda: [one.validate_python(header) for one in _FIELDS],
    ):
        try:
            parse()
        except (WhimbrelError, UnsatisfiableRangeError, ValidationError):
            continue
    disposition(payload.decode(errors="replace")).encode("latin-1")


def _verdicts(payload: bytes) -> None:
    for verdict in parse_verdicts(payload, payload.count(b"action")):
        if verdict is not None and verdict.refused is not None:
            verdict.refused.detail.encode()


def _message(payload: bytes) -> None:
    """A message that somebody sent, as others read it over HTTP."""
    try:
        entry = types_pb2.Entry.FromString(payload)
    except DecodeError:
        return
    MessageAnswer.model_validate_json(bytes(json_response(entry_json(entry)).body))


_OTHERS: list[Callable[[bytes], object]] = [_headers, _verdicts, _message, read_fcm_error]
COUNT = len(_OTHERS) + len(MODELS)


def fuzz_bodies(data: bytes) -> None:
    """Each record goes where its tag says. Only what is documented comes out."""
    for number, (tag, payload) in enumerate(split(data)):
        if number >= MAX_RECORDS:
            break
        place = tag % COUNT
        try:
            if place < len(_OTHERS):
                _OTHERS[place](payload)
            else:
                _body(MODELS[place - len(_OTHERS)], payload)
        except WhimbrelError:
            continue


def tag_of(what: Callable[[bytes], object] | type[RequestBody]) -> int:
    """The tag of a record for this."""
    if isinstance(what, type):
        return len(_OTHERS) + MODELS.index(what)
    return _OTHERS.index(what)
