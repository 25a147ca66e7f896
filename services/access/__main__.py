"""`python -m services.access`: the pod, or the parent of its processes."""

import sys

from services.access.processes.entry import run_parent

status = run_parent()
if status is not None:
    sys.exit(status)

# Here, because a parent loads no gRPC.
from services.access.bootstrap import SERVICE  # noqa: E402
from whimbrel.runtime.program import main  # noqa: E402

main(SERVICE)
