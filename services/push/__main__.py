"""`python -m services.push`"""

from whimbrel.runtime.lean_imports import without_unused

with without_unused():
    from services.push.bootstrap import SERVICE
    from whimbrel.runtime.program import main

main(SERVICE)
