"""Chapter 4, "Tuning": what says how good a GAN has become, and what makes it better.

Explained in the book's chapter "Tuning".
"""

import warnings

# Optuna shows its bars by tqdm, which warns in a notebook without widgets; none of those bars is ever shown here.
warnings.filterwarnings("ignore", message="IProgress not found")
