"""Experiments that take longer than a page may, by name; each leaves files of results.

* ``digit_generator``: the quickstart's generator, see :mod:`ganbook.tuning.experiments.digit_generator`.
* ``TABLES``: many runs each, see :mod:`ganbook.tuning.experiments.tables`.

Explained in the book's chapter "Tuning".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ganbook.tuning.experiments import loss_methods, mode_collapse, stacked_digits
from ganbook.tuning.experiments.tables import Table

#: By name, the tables of many runs, each filled by the same command.
TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            mode_collapse.MIXTURES,
            mode_collapse.RATES_TABLE,
            mode_collapse.COMPARISON,
            *loss_methods.RATE_TABLES.values(),
            *loss_methods.TABLES.values(),
            stacked_digits.STACKED_DIGITS,
            stacked_digits.STACKED_DIGITS_METHODS,
            stacked_digits.ARTICLE_001,
            stacked_digits.ARTICLE_004,
        )
    }
)
