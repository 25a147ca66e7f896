"""`python -m services.gateway`"""

from services.gateway.bootstrap import SERVICE
from whimbrel.runtime.program import main

main(SERVICE)
