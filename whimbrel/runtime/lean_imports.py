"""What libraries load if it happens to be installed, and no service uses: a sixth of a start.

Each is tried by its library, which does without it. A setting that needs one of them loads it
later, when nothing is hidden any more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

UNUSED: Final = ("opentelemetry.sdk.metrics", "pymongo.pyopenssl_context", "rich")
"""redis-py's figures, where ours are Prometheus'; PyMongo's second way to TLS, beside the standard
library's; structlog's tracebacks, which on top of it show local variables, so tokens and bodies."""


@contextmanager
def without_unused() -> Iterator[None]:
    """Within it, importing one of these says that it is not installed. For a process's first
    imports alone: what is loaded already stays loaded."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # so Python says it itself
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
