"""`python -m services.access`."""

from services.access.bootstrap import SERVICE
from whimbrel.runtime.serve import main

main(SERVICE)
