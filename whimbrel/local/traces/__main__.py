"""Runs the collector: `python -m whimbrel.local.traces`."""

from whimbrel.runtime.lean_imports import without_unused

with without_unused():
    from whimbrel.local.traces.collector import COLLECTOR
    from whimbrel.runtime.program import main

if __name__ == "__main__":
    main(COLLECTOR)
