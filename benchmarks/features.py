"""The digit classifier's features of images, and the metrics that take longest on them."""

from __future__ import annotations

import statistics

import numpy as np
import torch

from benchmarks.timing import in_turn, ratio
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent import training
from ganbook.tuning.metrics.frechet import frechet_distance
from ganbook.tuning.metrics.kernel_distance import kernel_distance
from ganbook.tuning.metrics.neighbours import measure_neighbourhoods

IMAGES = 2000
PRECISIONS = ("float64", "float32")


def main(rounds: int) -> None:
    """Print the table."""
    images = np.tanh(np.random.default_rng(0).standard_normal((IMAGES, 28, 28, 1))).astype(np.float32)
    readers = {
        f"{framework} {dtype}": training.twin("ganbook.tuning.metrics.features", framework).DigitClassifier(
            28, dtype, "cpu"
        )
        for framework in FRAMEWORKS
        for dtype in PRECISIONS
    }
    one, other = np.array_split(next(iter(readers.values())).features(images).astype(np.float64), 2)
    seconds = in_turn(
        {name: lambda reader=reader: reader.features(images) for name, reader in readers.items()}
        | {
            metric.__name__: lambda metric=metric: metric(one, other)
            for metric in (frechet_distance, kernel_distance, measure_neighbourhoods)
        },
        rounds,
    )
    print(f"Features of 28x28 images, {torch.get_num_threads()} threads; medians of {rounds} rounds in turn")
    for name in readers:
        print(f"  {name:20} {IMAGES / statistics.median(seconds[name]):9,.0f} images/s")
    for framework in FRAMEWORKS:
        pair = (seconds[f"{framework} {dtype}"] for dtype in PRECISIONS)
        print(f"  {framework}: time of float64 over float32 {ratio(*pair)}")
    for name in [name for name in seconds if name not in readers]:
        print(
            f"  {name}: {ratio(seconds[name], seconds['pytorch float64'])} times the features in PyTorch, float64, "
            f"with {len(one):,} and {len(other):,} images"
        )
