"""`python -m services.router`"""

from services.router.bootstrap import SERVICE
from whimbrel.runtime.program import main

main(SERVICE)
