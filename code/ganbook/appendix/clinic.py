"""Show that a check tells a defect from its repair.

Explained in the book's section "Debug clinic".
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TypeVar

from ganbook.appendix import article_000, article_001, article_002, article_003, article_004

Subject = TypeVar("Subject")

#: Every defect by its number, in the articles' order.
REGISTER = MappingProxyType(
    {
        defect.number: defect
        for article in (article_000, article_001, article_002, article_003, article_004)
        for defect in article.DEFECTS
    }
)


def examine(
    number: str,
    check: Callable[[Subject], object],
    *,
    defect: Subject,
    repair: Subject,
    error: type[Exception] = AssertionError,
    says: str = "",
) -> None:
    """Run one check on a defect, where it must fail, and on the repair, where it must pass; print what came out.

    Args:
        number: of a defect in ``REGISTER``.
        check: takes what is to be examined, a value or a program, and raises an error if it is wrong.
        defect: what must fail.
        repair: what must pass.
        error: exactly this error must come from the defect, no subclass and no other.
        says: a part of its message.

    Raises:
        ValueError: a number that is not in the register.
        AssertionError: the check passes on the defect, or fails on it with another error or message.
        Exception: whatever the check raises on the repair.

    Example:
        >>> def check(loss):
        ...     assert loss(0.0) > 0, f"the loss at 0 is {loss(0.0)}"
        >>> examine("002-11", check, defect=lambda x: x, repair=lambda x: x**2 + 1, says="the loss at 0 is 0.0")
        002-11 with the defect: AssertionError: the loss at 0 is 0.0
        002-11 repaired: passes
    """
    if number not in REGISTER:
        raise ValueError(f"number is {number!r}; accepted: a number of the register, as {next(iter(REGISTER))}")
    symptom = _failure(number, check, defect, error, says)
    print(f"{number} with the defect: {error.__name__}" + (f": {symptom}" if symptom else ""))
    check(repair)
    print(f"{number} repaired: passes")


def _failure(
    number: str, check: Callable[[Subject], object], defect: Subject, error: type[Exception], says: str
) -> str:
    """What the check said when it failed, in one line."""
    try:
        check(defect)
    except Exception as raised:
        if type(raised) is not error or says not in str(raised):
            raise AssertionError(
                f"{number} fails otherwise than expected: {type(raised).__name__}: {raised}; "
                f"expected: {error.__name__} that says {says!r}"
            ) from raised
        return says or str(raised).strip().partition("\n")[0].strip()
    raise AssertionError(f"{number}: the check passes on the defect, so it reveals nothing")
