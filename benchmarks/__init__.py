"""What is timed: always as ratios, both sides in turn, in one run."""

import ganbook  # noqa: F401  before either framework
