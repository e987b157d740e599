"""What is timed: always as ratios, both sides in turn, in one run."""

import os

# Who is timed has the machine to itself, and both frameworks as many threads.
os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import ganbook  # noqa: F401  before either framework
