"""Appendix: the clinic of defects.

Its pages lie in ``chapters/appendix``.
"""
