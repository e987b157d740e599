"""Why a generator collapses, and what packing sees of it, in games small enough for exact answers.

The plane is cut into K places.  The data have probabilities p over them, the generator has q, and the discriminator one
logit for each place.

Explained in the book's section "Mode collapse".
"""

from __future__ import annotations

import numpy as np

from ganbook.data.recipe import check_int, check_range
from ganbook.probability.distributions import check_probabilities

MOST_PACKS = 10**7


def value(data: np.ndarray, generated: np.ndarray, logits: np.ndarray) -> float:
    r"""What the discriminator maximises and a minimax generator minimises.

    .. math:: V(q, d) = \sum_k p_k \ln \sigma(d_k) + \sum_k q_k \ln \sigma(-d_k)

    Linear in q for fixed d; its maximum over d is 2 JS(p, q) - 2 ln 2.

    Args:
        data, generated: probabilities p and q, shape (K,).
        logits: the discriminator d, shape (K,).

    Returns:
        A number below 0.

    Raises:
        ValueError: shapes that differ, or an array that is no distribution.

    Example:
        >>> round(value([0.5, 0.5], [0.5, 0.5], [0.0, 0.0]), 4)  # - 2 ln 2
        -1.3863

    Reference: Goodfellow et al., Generative Adversarial Nets, NIPS 2014, equation 1, arXiv:1406.2661.
    """
    data, generated = check_probabilities("data", data), check_probabilities("generated", generated)
    logits = np.asarray(logits, np.float64)
    if not data.shape == generated.shape == logits.shape:
        raise ValueError(
            f"data, generated and logits have shapes {data.shape}, {generated.shape} and {logits.shape}; "
            "accepted: one shape (K,)"
        )
    return float(-(data @ np.logaddexp(0, -logits)) - generated @ np.logaddexp(0, logits))


def chase(data: np.ndarray, steps: int, rate: float = 0.1) -> np.ndarray:
    r"""A generator that always gives its best reply, against a discriminator that learns by gradient steps.

    The generator puts all its mass on the place with the largest logit.  The discriminator then climbs its slope

    .. math:: d_k \leftarrow d_k + \eta \left( p_k\, \sigma(-d_k) - q_k\, \sigma(d_k) \right) .

    Args:
        data: probabilities p, shape (K,).
        steps: moves of each player, at least 1.
        rate: the discriminator's learning rate eta, above 0.

    Returns:
        int64, shape (steps,): the place that the generator chose at each step.

    Raises:
        ValueError: an array that is no distribution, or a number outside its range.

    Example:
        >>> chase([0.5, 0.5], 4)
        array([0, 1, 0, 1])
    """
    data = check_probabilities("data", data)
    check_int("steps", steps, 1)
    check_range("rate", rate, 0.0, open_low=True)
    logits, chosen = np.zeros(len(data)), np.empty(steps, np.int64)
    for step in range(steps):
        chosen[step] = logits.argmax()
        generated = np.zeros(len(data))
        generated[chosen[step]] = 1.0
        believed = 1 / (1 + np.exp(-logits))
        logits = logits + rate * (data * (1 - believed) - generated * believed)
    return chosen


def packs(distribution: np.ndarray, examples: int) -> np.ndarray:
    r"""The distribution of packs of independent examples over all K^m packs.

    .. math:: p^m_{k_1, \dots, k_m} = p_{k_1} \cdots p_{k_m}

    Args:
        distribution: probabilities p, shape (K,).
        examples: size m of a pack, at least 1; K^m at most ten million.

    Returns:
        Probabilities, shape (K^m,).

    Raises:
        ValueError: an array that is no distribution, or too many packs.

    Example:
        >>> packs([0.25, 0.75], 2)
        array([0.0625, 0.1875, 0.1875, 0.5625])

    Reference: Lin, Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, section 3, arXiv:1712.04086.
    """
    distribution = check_probabilities("distribution", distribution)
    if len(distribution) ** check_int("examples", examples, 1) > MOST_PACKS:
        raise ValueError(
            f"examples is {examples} with {len(distribution)} places; accepted: at most {MOST_PACKS:,} packs"
        )
    made = distribution
    for _ in range(examples - 1):
        made = np.outer(made, distribution).ravel()
    return made
