"""The register of the defects that the clinic shows: where each is, and what is wrong.

Explained in the book's section "Debug clinic".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ganbook.data.recipe import check_choice

#: What a defect may be in: a displayed formula, a sentence, a program, or something that a reader needs and misses.
KINDS = ("formula", "claim", "listing", "omission")


@dataclass(frozen=True)
class Defect:
    """One defect of one article.

    Args:
        number: the article's number and the defect's own, as in ``002-05``.
        section: where in the article, as the article counts its sections.
        kind: one of ``KINDS``.
        title: what is wrong, in one line.

    Raises:
        ValueError: a number of another form, an unknown kind, or an empty section or title.
    """

    number: str
    section: str
    kind: str
    title: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"00[0-4]-\d\d", self.number):
            raise ValueError(f"number is {self.number!r}; accepted: an article from 000 to 004, a dash and two digits")
        check_choice("kind", self.kind, KINDS)
        for name in ("section", "title"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} of defect {self.number} is empty; accepted: some text")

    @property
    def article(self) -> str:
        """The article's number."""
        return self.number[:3]
