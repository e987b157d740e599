"""Chapter 2, probability: the losses of a GAN as functions of logits.

Explained in the book's chapter "Probability".
"""
