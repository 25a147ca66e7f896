"""HostService: what an operator asks a Logic pod about the host product."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import grpc

from services.logic.domain import body_kinds
from services.logic.domain.model import ClientKey
from services.logic.domain.verdicts import Question
from services.logic.parts import LogicParts
from services.logic.webhook_ports import HostOpinion
from whimbrel.api.logic.v1 import host_pb2, host_pb2_grpc
from whimbrel.core.errors import WhimbrelError, invalid
from whimbrel.runtime.http_answer import origin_of
from whimbrel.runtime.webhook_settings import WebhookSettings

_Context = grpc.aio.ServicerContext[Any, Any]

_TEST: Final = Question(
    ClientKey("whimbrel-test", "test", "test"),
    "d:whimbrel-test:whimbrel-test",
    body_kinds.TEXT,
    b"This is a test. Nobody has sent it.",
)


class HostServicer(host_pb2_grpc.HostServiceServicer):
    """One per process."""

    def __init__(
        self,
        pod_id: str,
        parts: LogicParts,
        settings: WebhookSettings,
        opinion_of: Callable[[str], HostOpinion] | None,
    ) -> None:
        """`opinion_of`: whom to ask at a URL; None without secrets to sign with."""
        self._pod_id = pod_id
        self._parts = parts
        self._settings = settings
        self._opinion_of = opinion_of

    async def ShowHost(  # noqa: N802 - the names are the contract's
        self, request: host_pb2.ShowHostRequest, context: _Context
    ) -> host_pb2.ShowHostResponse:
        shown = host_pb2.ShowHostResponse(pod_id=self._pod_id)
        if (screen := self._parts.screen) is not None:
            shown.before_send.CopyFrom(
                host_pb2.BeforeSend(
                    origin=origin_of(self._settings.before_send_url),
                    timeout_ms=round(self._settings.before_send_timeout_seconds * 1000),
                    on_failure=self._settings.before_send_on_failure,
                    is_open=screen.host.is_open,
                    waiting=screen.statistics().waiting,
                    outcomes=screen.host.outcomes,
                )
            )
        if (telling := self._parts.telling) is not None:
            state = await telling.outbox.look()
            shown.outbox.CopyFrom(
                host_pb2.Outbox(
                    kinds=sorted(telling.wanted),
                    waiting=state.waiting,
                    dead=state.dead,
                    oldest_ms=round(telling.outbox.oldest_seconds * 1000),
                    untaken_ms=state.untaken_ms,
                )
            )
        return shown

    async def TestBeforeSend(  # noqa: N802
        self, request: host_pb2.TestBeforeSendRequest, context: _Context
    ) -> host_pb2.TestBeforeSendResponse:
        url = request.url or self._settings.before_send_url
        if not url:
            raise invalid("this Logic pod asks nobody: give a URL, or set BEFORE_SEND_URL")
        if self._opinion_of is None:
            raise invalid("this Logic pod has no secrets to sign with: set SECRETS_FILE")
        opinion = self._opinion_of(url)
        question = _TEST._replace(key=_TEST.key._replace(client_message_id=uuid.uuid4().hex))
        began = time.monotonic()
        outcome, detail = "failed", ""
        try:
            (verdict,) = await opinion.ask([question])
        except WhimbrelError as error:
            detail = error.detail
        else:
            if verdict is None:
                detail = "the verdict cannot be read"
            elif verdict.refused is not None:
                outcome, detail = "rejected", verdict.refused.detail
            else:
                outcome = "allowed" if verdict.changed is None else "changed"
        took_ms = (time.monotonic() - began) * 1000
        return host_pb2.TestBeforeSendResponse(outcome=outcome, detail=detail, took_ms=took_ms)
