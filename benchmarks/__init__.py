"""What is timed: always as ratios, both sides in turn, in one run."""
