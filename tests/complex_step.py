"""Derivatives to the last digits, by one step in the imaginary direction."""

import numpy as np


def slopes(function, array):
    """The gradient of a scalar function: Im f(x + ih) / h, without any difference and so without cancellation.

    The function must be analytic and computed by operations that take complex numbers.

    Reference: Squire and Trapp, Using Complex Variables to Estimate Derivatives of Real Functions, SIAM Review 40,
    1998, equation 3.
    """
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        moved = array.astype(complex)
        moved[index] += 1e-200j
        gradient[index] = np.imag(function(moved)) / 1e-200
    return gradient
