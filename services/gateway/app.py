"""The application: routes, error forms, OpenAPI. What it stands on comes in as `parts`."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from services.gateway.edge import Edge
from services.gateway.errors import ErrorBody, install_error_handlers
from services.gateway.metrics import HttpLoad
from services.gateway.parts import Parts
from services.gateway.routes import ROUTERS
from services.gateway.settings import HttpSettings

_DESCRIPTION = """\
Everything around the stream. Ids of 64 bits are decimal strings. A refusal has the body
`{"error": {"code": …, "detail": …, "retry_after_ms": …}}`; programs look at `code` alone."""


def make_app(
    parts: Parts, settings: HttpSettings, *, stall_seconds: float, load: HttpLoad | None = None
) -> FastAPI:
    """The ASGI application of one gateway pod. `stall_seconds`: of a transfer of media. `load`:
    where requests are counted."""
    app = FastAPI(
        title="Whimbrel",
        version="1",
        description=_DESCRIPTION,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses={"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}},
    )
    app.state.parts = parts
    install_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(
        Edge,
        max_body_bytes=settings.max_body_bytes,
        request_seconds=settings.request_seconds,
        stall_seconds=stall_seconds,
        load=load,
    )
    return app


def _operation_id(route: APIRoute) -> str:
    # The function's name: what generated clients call their method.
    return route.name
