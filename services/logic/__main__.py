"""`python -m services.logic`"""

from whimbrel.runtime.lean_imports import without_unused

with without_unused():
    from services.logic.bootstrap import SERVICE
    from whimbrel.runtime.program import main

main(SERVICE)
