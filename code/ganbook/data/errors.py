"""The one exception of this floor that is not about an argument.

Explained in the book's section "Quickstart".
"""


class DataError(RuntimeError):
    """A data file is missing, damaged or not the published one, or no source of it can be reached."""
