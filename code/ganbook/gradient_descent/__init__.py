"""Chapter 3, gradient descent: the training of twins, the steps below it, and the studies above it.

Explained in the book's chapter "Gradient descent".
"""
