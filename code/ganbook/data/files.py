"""Files that are the old one or the new one, and never a part of either.

Explained in the book's section "Inside a training step".
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it, and give it its name in one step.

    Args:
        path: the file; its folder exists.
        content: all of it.

    Raises:
        OSError: the disk refuses; an old file is still whole, and nothing else is left.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            if error.errno is None:  # beside a file's name Python would print "None" in place of the error's own words
                raise OSError(f"{path}: {error}") from error
            error.filename = str(path)
        raise
    if os.name == "posix":  # a rename survives a power cut only once the folder is on disk; Windows cannot open folders
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
