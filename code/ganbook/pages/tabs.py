"""Cells of two tabs in one notebook: each framework keeps its own names.

A page shows the same program in PyTorch and in Keras, with the same names, and its notebook runs both in one kernel.
Without this module ``Generator`` would be whichever of the two ran last.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

from typing import Any

#: First lines of the cells of each tab.
FIRST_LINES = ("# PyTorch", "# TensorFlow")


class _Names:
    """What the cells of each tab have assigned, and those of neither."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.kept: dict[str | None, dict[str, Any]] = {None: {}, **{line: {} for line in FIRST_LINES}}
        self.tab: str | None = None
        self.before: dict[str, Any] = {}

    def enter(self, info: Any) -> None:
        """Before a cell of a tab: undo what cells of the other have assigned; a cell of neither sees what both have."""
        first = info.raw_cell.partition("\n")[0].rstrip()
        self.tab = first if first in FIRST_LINES else None
        seen = {
            name: value
            for tab in ([None, self.tab] if self.tab else self.kept)
            for name, value in self.kept[tab].items()
        }
        for name in set().union(*self.kept.values()) - seen.keys():
            self.namespace.pop(name, None)
        self.namespace.update(seen)
        self.before = dict(self.namespace)

    def leave(self, result: Any) -> None:
        """After a cell: keep what it has assigned, for its tab or, from a cell of neither, for both."""
        changed = {
            name: value
            for name, value in self.namespace.items()
            if not name.startswith("_") and (name not in self.before or self.before[name] is not value)
        }
        self.kept[self.tab].update(changed)
        if self.tab is None:
            for line in FIRST_LINES:
                for name in changed:
                    self.kept[line].pop(name, None)


def separate() -> None:
    """Keep the names apart that cells of the two tabs assign, from the next cell on; without IPython, do nothing.

    A cell belongs to a tab if its first line is ``# PyTorch`` or ``# TensorFlow``.  It sees what earlier cells of its
    own tab have assigned, and what cells of neither tab have assigned since.

    Example:
        >>> separate()  # in the first cell of a notebook
    """
    try:
        from IPython import get_ipython
    except ModuleNotFoundError:
        return
    shell = get_ipython()
    if shell is None or getattr(shell, "ganbook_names", None):
        return
    shell.ganbook_names = names = _Names(shell.user_ns)
    names.kept[None].update({name: value for name, value in shell.user_ns.items() if not name.startswith("_")})
    shell.events.register("pre_run_cell", names.enter)
    shell.events.register("post_run_cell", names.leave)
