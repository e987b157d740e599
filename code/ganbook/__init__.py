"""Generative adversarial networks, written twice: the library behind the book.

Each chapter of the book has a package of the same name here; inside, PyTorch and TensorFlow stand side by side as
mirror images.  Importing this package imports neither framework, and prepares the process for both.
"""

from ganbook.frameworks import prepare

__version__ = "0.2.0"

prepare()
