"""The header `Idempotency-Key`: a change that comes again with it is made once.

A header, because a DELETE has no body, and because clients' libraries know it by this name. Logic
takes it as the request_id of a change.
"""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Depends, Header

from services.gateway.fields import Name


def _request_id(
    given: Annotated[
        Name | None,
        Header(
            alias="Idempotency-Key",
            description="A name of the client's own for this change: 1 to 64 of A-Z a-z 0-9 _ . -",
        ),
    ] = None,
) -> str:
    return given or uuid4().hex


RequestId = Annotated[str, Depends(_request_id)]
"""As the type of a route's parameter: the client's name for the change; without the header one
that never comes again."""
