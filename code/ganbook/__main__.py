"""``python -m ganbook``: the command line."""

import os
import sys

# TensorFlow reads this once, when it starts: warnings and errors, and no notes on the processor.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

from ganbook.cli import main

if __name__ == "__main__":
    sys.exit(main())
