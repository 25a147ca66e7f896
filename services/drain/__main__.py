"""`python -m services.drain`"""

from services.drain.bootstrap import SERVICE
from whimbrel.runtime.program import main

main(SERVICE)
