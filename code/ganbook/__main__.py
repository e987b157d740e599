"""``python -m ganbook``: the command line."""

import sys

from ganbook.cli import main

if __name__ == "__main__":
    sys.exit(main())
