"""`python -m services.push`"""

from services.push.bootstrap import SERVICE
from whimbrel.runtime.program import main

main(SERVICE)
