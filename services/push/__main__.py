"""`python -m services.push`"""

from services.push.bootstrap import SERVICE
from whimbrel.runtime.serve import main

main(SERVICE)
