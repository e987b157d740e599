"""The derivatives of the discriminators' losses by hand: what the twins' differentiation must give."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def discriminator_gradients(name: str, real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By every real and by every fake logit; least squares with default targets, and 0 at a kink of the hinge."""
    r, f = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    by_real, by_fake = {
        "minimax": lambda: (-expit(-r), expit(f)),
        "non_saturating": lambda: (-expit(-r), expit(f)),
        "least_squares": lambda: (r - 1.0, f),
        "hinge": lambda: (-1.0 * (r < 1.0), 1.0 * (f > -1.0)),
        "wasserstein": lambda: (-np.ones_like(r), np.ones_like(f)),
        "relativistic": lambda: (-expit(f - r), expit(f - r)),
    }[name]()
    return by_real / r.size, by_fake / f.size
