from services.router.bootstrap import SERVICE
from whimbrel.runtime.serve import main

main(SERVICE)
