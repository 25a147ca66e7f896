"""`python -m services.access`: the pod, or the parent of its processes."""

import sys

from whimbrel.runtime.lean_imports import without_unused

with without_unused():
    from services.access.processes.entry import run_parent

status = run_parent()
if status is not None:
    sys.exit(status)

# Here, because a parent loads no gRPC.
with without_unused():
    from services.access.bootstrap import SERVICE
    from whimbrel.runtime.program import main

main(SERVICE)
