"""Pictures of many images: what is too large, and what a disk that fails leaves."""

import os
import re

import numpy as np
import pytest

from ganbook.data import grids
from ganbook.data.files import write_atomically


@pytest.mark.parametrize(("shape", "columns"), [((1, 8, 8, 1), 10**9), ((8, 2000, 2000, 1), 8), ((400, 8, 1, 1), 400)])
def test_a_picture_too_large_is_refused_before_there_is_memory_for_it(shape, columns, tmp_path, monkeypatch):
    monkeypatch.setattr(grids, "MOST_PIXELS", 10**6)
    images = np.broadcast_to(np.float32(0), shape)
    with pytest.raises(ValueError, match=r"^images make a picture of [\d,]+x[\d,]+ pixels; accepted: at most 1,0"):
        grids.save_grid_png(images, tmp_path / "grid.png", columns)
    assert not list(tmp_path.iterdir())


def test_columns_from_numpy():
    assert grids.tile(np.zeros((4, 2, 2, 1)), np.int64(4)).shape == (2, 11, 3)


@pytest.mark.parametrize(
    ("error", "message"),
    [((28, "No space"), "[Errno 28] No space: '{}'"), (("the disk is gone",), "{}: the disk is gone")],
)
def test_a_disk_that_fails_leaves_no_half_and_is_named(error, message, tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(*error)

    write_atomically(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=f"^{re.escape(message.format(tmp_path / 'a'))}$"):
        write_atomically(tmp_path / "a", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]
