"""Appendix: the clinic of defects, and the five articles' systems put right.

Its pages lie in ``chapters/appendix``.
"""
