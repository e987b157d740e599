"""Fingerprints: equal for equal examples, another one for any change, however the set is kept."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from ganbook.data import Images, StackedImages, fingerprint, grid, load, ring


def some(seed=0, name="some"):
    images = np.random.default_rng(seed).uniform(-1, 1, (20, 4, 4, 1)).astype(np.float32)
    return Images(images, np.arange(20, dtype=np.int64) % 10, name)


def changed(images, place):
    """One value moved by one unit in its last place."""
    copy = images.images.copy()
    copy[place] = np.nextafter(copy[place], np.float32(0))
    return dataclasses.replace(images, images=copy)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Examples that are drawn from a normal distribution."""

    spread: float
    shape: tuple = (3,)

    def batch(self, rng, n):
        return (self.spread * rng.standard_normal((n, *self.shape))).astype(np.float32)


SAME = {
    "images": lambda: some(),
    "labels and name do not count": lambda: dataclasses.replace(some(name="other"), labels=np.zeros(20, np.int64)),
    "another layout in memory": lambda: dataclasses.replace(some(), images=np.asfortranarray(some().images)),
}


@pytest.mark.parametrize("name", SAME)
def test_equal_images_have_one_fingerprint(name):
    assert fingerprint(SAME[name]()) == fingerprint(some())


OTHERS = {
    "another seed": lambda: some(1),
    "the first value": lambda: changed(some(), (0, 0, 0, 0)),
    "the last value": lambda: changed(some(), (19, 3, 3, 0)),
    "one image less": lambda: some().take(np.arange(19)),
    "another order": lambda: some().take(np.arange(20)[::-1]),
    "another shape": lambda: dataclasses.replace(some(), images=some().images.reshape(20, 2, 8, 1)),
    "stacks": lambda: StackedImages(some(), np.zeros((20, 3), int)),
    "other stacks": lambda: StackedImages(some(), np.ones((20, 3), int)),
    "stacks of others": lambda: StackedImages(some(1), np.zeros((20, 3), int)),
    "ring": ring,
    "grid": grid,
    "wider ring": lambda: dataclasses.replace(ring(), means=1.01 * ring().means),
    "finer ring": lambda: ring(sigma=0.0101),
    "draws": lambda: Drawn(1.0),
    "wider draws": lambda: Drawn(1.001),
    "draws of four": lambda: Drawn(1.0, (4,)),
}


def test_every_change_is_seen():
    found = {name: fingerprint(make()) for name, make in OTHERS.items()}
    assert len({*found.values(), fingerprint(some())}) == len(OTHERS) + 1
    assert found == {name: fingerprint(make()) for name, make in OTHERS.items()}


def test_a_fingerprint_is_the_same_in_another_process():
    code = "from ganbook.data import fingerprint, load; print(fingerprint(load('digits')))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == fingerprint(load("digits"))
    assert len(made.stdout.strip()) == 64
