"""Chapter 2, probability: distributions, divergences, the optimal discriminator, and the losses.

Explained in the book's chapter "Probability".
"""
