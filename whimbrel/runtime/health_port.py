"""The health service on a port of its own, without TLS, for probes that show no certificate.

Nothing else is served there: whoever reaches it learns whether the pod is ready.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from whimbrel.runtime.channels import server_options


@asynccontextmanager
async def health_port(
    listen: str, servicer: health.aio.HealthServicer, *, shares_port: bool = False
) -> AsyncIterator[str]:
    """Serve it at host:port; gives the address that was bound. Raises OSError when the port is
    taken."""
    server = grpc.aio.server(options=server_options(client_facing=True, shares_port=shares_port))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(f"cannot listen on {listen}")
    await server.start()
    try:
        yield f"{listen.rpartition(':')[0]}:{port}"
    finally:
        await server.stop(0)
