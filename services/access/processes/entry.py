"""Where `python -m services.access` becomes a parent, if the settings say so."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack

from services.access.drain_socket import drain_socket
from services.access.processes.drain_together import DrainTogether
from services.access.processes.parent import Parent
from services.access.processes.shared_port import shared_port
from services.access.settings import AccessSettings
from whimbrel.runtime import logs
from whimbrel.runtime.settings_loading import SettingsError, load_settings

_log = logs.get_logger(__name__)


def run_parent() -> int | None:
    """Be the parent of several processes until they have ended: its exit status, 0 or 1. None at
    once when this process is to be the pod itself, or is to say what is wrong with its settings.
    """
    if len(sys.argv) > 1:
        return None
    try:
        settings = load_settings(AccessSettings)
    except SettingsError:
        return None
    if settings.access.processes == 1 or settings.access.has_parent:
        return None
    logs.configure(settings.log, settings.pod.id)
    with ExitStack() as held:
        try:
            listen = held.enter_context(shared_port(settings.pod.listen))
        except OSError as error:
            reason = f"cannot listen on {settings.pod.listen}: {error.strerror}"
            _log.error("service_failed", service="access", reason=reason)
            return 1
        try:
            return asyncio.run(_keep(settings, listen))
        # The end of the line, as in `serve`: logged once, as a line.
        except Exception:  # noqa: BLE001 - the process's edge
            _log.exception("service_failed", service="access")
            return 1


def _show(listen: str, parent: Parent) -> AbstractAsyncContextManager[str]:
    """The pod's metrics."""
    # Here, because the HTTP server takes 0.3 s to import.
    from services.access.processes.pod_metrics import PodMetrics  # noqa: PLC0415
    from whimbrel.runtime.metrics_endpoint import metrics_endpoint  # noqa: PLC0415

    shown = PodMetrics(parent.metrics_addresses, lambda: parent.starts)
    return metrics_endpoint(listen, shown)


async def _keep(settings: AccessSettings, listen: str) -> int:
    parent = Parent(settings, os.environ, listen)
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        _log.info("service_signalled", service="access", signal=signal.Signals(number).name)
        parent.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        if settings.metrics.listen is not None:
            await stack.enter_async_context(_show(settings.metrics.listen, parent))
        if settings.drain.socket is not None:
            together = DrainTogether(settings, parent)
            hearing = tasks.create_task(together.run(), name="preStop")
            stack.callback(hearing.cancel)
            longest = settings.drain.deadline_seconds
            hook = drain_socket(settings.drain.socket, together, together.status, longest)
            await stack.enter_async_context(hook)
        ended_well = await parent.run()
    _log.info("service_stopped", service="access")
    return 0 if ended_well else 1
