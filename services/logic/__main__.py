"""`python -m services.logic`"""

from services.logic.bootstrap import SERVICE
from whimbrel.runtime.serve import main

main(SERVICE)
