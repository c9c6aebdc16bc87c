"""`python -m interactvlm` is the command `interactvlm`."""

import sys

from interactvlm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
