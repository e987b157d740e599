"""Chapter 3, gradient descent: update rules, penalties, games, the two steps and the training loop.

Explained in the book's chapter "Gradient descent".
"""
