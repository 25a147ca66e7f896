"""`python -m services.logic`"""

from services.logic.bootstrap import SERVICE
from whimbrel.runtime.program import main

main(SERVICE)
