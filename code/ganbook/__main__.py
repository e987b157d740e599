"""``python -m ganbook``: the command line."""

import os
import signal
import sys

if __name__ == "__main__":
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        # While modules are imported, Ctrl-C would leave a traceback through whichever is at hand.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from ganbook.cli import main

    signal.signal(signal.SIGINT, before)
    sys.exit(main())
