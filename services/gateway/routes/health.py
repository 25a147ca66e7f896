"""Whether this pod answers. Nothing behind it is asked: Kubernetes probes the pod's gRPC health."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """This pod answers."""

    status: str


@router.get("/v1/health")
async def health() -> Health:
    """Whether the gateway answers HTTP. Needs no token."""
    return Health(status="ok")
