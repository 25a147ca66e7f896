"""Opens the Kubernetes side of the controller: both ports, on connections that a stack closes.

The only module that reads credentials. Import it when Kubernetes is the platform and not before:
the client costs 46 MB.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from services.drain.adapters.kubernetes_calls import KubernetesCalls
from services.drain.adapters.leadership_kubernetes import KubernetesLeadership
from services.drain.adapters.platform_kubernetes import KubernetesPlatform
from services.drain.adapters.watch_kubernetes import WatchPolicy
from services.drain.ports import Leadership, Platform
from whimbrel.core.errors import invalid

SELECTOR: Final = "app.kubernetes.io/part-of=whimbrel"
ROLE_LABEL: Final = "app.kubernetes.io/component"


async def open_kubernetes(
    stack: AsyncExitStack,
    *,
    namespace: str,
    lease_name: str,
    holder: str,
    lease_seconds: float,
    selector: str = SELECTOR,
    role_label: str = ROLE_LABEL,
    kubeconfig: Path | None = None,
    api_url: str | None = None,
    timeout_seconds: float = 5.0,
    policy: WatchPolicy | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> tuple[Platform, Leadership]:
    """Reads the credentials and makes both ports; calls nothing yet.

    Credentials are those of `kubeconfig`, or the service account's of the pod that this runs in.
    `api_url` takes the place of the server's address (tests, `kubectl proxy`); alone it means
    that no credentials are needed. `holder` is unique for each start of a process.
    `timeout_seconds` is for one call (5: the API server's own requests rarely take 1), shorter
    for those of the lease. Raises INVALID_ARGUMENT for credentials that are not there.
    """
    if lease_seconds < 1:
        raise invalid(f"lease_seconds must be at least 1, not {lease_seconds}")
    configuration = await _configuration(kubeconfig, api_url)
    client = await stack.enter_async_context(ApiClient(configuration))
    calls = KubernetesCalls(client, timeout_seconds=timeout_seconds)
    # A renewal that hangs has to leave time for another one.
    lease_calls = KubernetesCalls(client, timeout_seconds=min(timeout_seconds, lease_seconds / 3))
    platform = KubernetesPlatform(
        calls,
        namespace=namespace,
        selector=selector,
        role_label=role_label,
        policy=policy,
        wall_clock=wall_clock,
    )
    leadership = KubernetesLeadership(
        lease_calls,
        namespace=namespace,
        name=lease_name,
        holder=holder,
        lease_seconds=lease_seconds,
        clock=clock,
        wall_clock=wall_clock,
    )
    return platform, leadership


async def _configuration(kubeconfig: Path | None, api_url: str | None) -> Configuration:
    configuration = Configuration()
    try:
        if kubeconfig is not None:
            await load_kube_config(
                str(kubeconfig), client_configuration=configuration, persist_config=False
            )
        elif api_url is None:
            load_incluster_config(configuration)
    except (ConfigException, OSError) as error:
        where = f"in {kubeconfig}" if kubeconfig else "of a service account (not in a cluster?)"
        raise invalid(f"no credentials {where}: {error}") from error
    if api_url is not None:
        configuration.host = api_url.rstrip("/")
    return configuration
