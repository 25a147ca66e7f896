"""`python -m services.gateway`"""

from services.gateway.bootstrap import SERVICE
from whimbrel.runtime.serve import main

main(SERVICE)
