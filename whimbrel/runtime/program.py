"""A service as a program: its arguments and settings, its signals, its exit status, its garbage."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, TypeVar

import uvloop

from whimbrel.runtime import logs
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.serve import ServiceFailedError, ServiceSpec, serve
from whimbrel.runtime.settings import ServiceSettings
from whimbrel.runtime.settings_loading import SettingsError, load_settings

S = TypeVar("S", bound=ServiceSettings)

_log = logs.get_logger(__name__)

_COLLECT_AFTER: Final = (2_000, 10, 50)
"""New objects before the young are collected, and how many of those before the next generations.
A full collection stops the loop for 90 ms per 1,000 sessions; by default (700, 10, 10) there are
several while 2,000 sessions arrive. What we make and drop has no cycles, so there is next to
nothing to find: a full one comes after a million objects that stayed, some 200 MB."""


def main(spec: ServiceSpec[S], argv: Sequence[str] | None = None) -> None:
    """Run a service as a process. Exit status: 0 stopped, 1 failed, 2 bad settings."""
    parser = argparse.ArgumentParser(prog=f"services.{spec.name}")
    parser.add_argument("--check-config", action="store_true", help="check the settings and exit")
    arguments = parser.parse_args(argv)
    try:
        settings = load_settings(spec.settings_class)
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        sys.exit(2)
    if arguments.check_config:
        sys.stdout.write("ok\n")
        return
    logs.configure(settings.log, settings.pod.id)
    try:
        uvloop.run(_run_until_signal(spec, settings))
    except ServiceFailedError as error:
        _log.error("service_failed", service=spec.name, reason=str(error))
        sys.exit(1)
    # The end of the line for what a service's own start raises: logged once, as a line.
    except Exception:  # noqa: BLE001 - the process's edge
        _log.exception("service_failed", service=spec.name)
        sys.exit(1)


async def _run_until_signal(spec: ServiceSpec[S], settings: S) -> None:
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():  # asked twice: whoever asks does not want to wait
            os._exit(1)
        _log.info("service_signalled", service=spec.name, signal=signal.Signals(number).name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await serve(spec, settings, stop=stop, started=_freeze)


def _freeze(_: Chassis) -> None:
    """What lives now lives for ever: a full collection would stop the loop for it each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
