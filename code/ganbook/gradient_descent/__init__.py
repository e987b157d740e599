"""Chapter 3, gradient descent: penalties, update rules and the training loop.

Explained in the book's chapter "Gradient descent".
"""
