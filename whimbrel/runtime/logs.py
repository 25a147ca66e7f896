"""Structured logs: JSON to stdout, pretty on a terminal. Never bodies, never tokens.

Events are constant strings in the past tense ("service_started"); what varies goes into
fields. What libraries say through `logging` comes out in the same shape.
"""

from __future__ import annotations

import logging
import sys
from typing import cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from whimbrel.runtime.settings import LogSettings

Logger = FilteringBoundLogger


def configure(settings: LogSettings, pod_id: str) -> None:
    """Set up logging for this process; `pod_id` is on every line. Call once, before the rest."""
    pretty = settings.format == "pretty" or (settings.format == "auto" and sys.stdout.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]

    def name_the_pod(_: object, __: str, event: EventDict) -> EventDict:
        event["pod"] = pod_id
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        name_the_pod,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Processor] = (
        # Not its own choice, which shows local variables where rich is installed.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.reset_defaults()
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def get_logger(name: str) -> Logger:
    """A logger whose lines carry `module=name`. Works, with structlog's defaults, unconfigured."""
    return cast(Logger, structlog.get_logger(module=name))
