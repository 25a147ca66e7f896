"""`python -m services.drain`"""

from services.drain.bootstrap import SERVICE
from whimbrel.runtime.serve import main

main(SERVICE)
