"""Dataclasses as JSON, as a recipe is saved: every field is written, and what is wrong in a file is named.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Mapping
from typing import Any


def write_fields(value: Any) -> str:
    """A dataclass as indented JSON, one field a line; those inside it as objects in theirs."""
    return json.dumps(_plain_fields(value), indent=2) + "\n"


def _plain_fields(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain_fields(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return dict(value) if isinstance(value, Mapping) else value


def read_fields(cls: type, text: str, name: str) -> Any:
    """Read what :func:`write_fields` wrote, now or before a field was added: what is not there has its default.

    Args:
        cls: the dataclass.
        text: JSON.
        name: what an error calls the whole.

    Raises:
        ValueError: not JSON; or a field that is unknown, given twice, or not there and without a default, named.
    """
    try:
        return _build(cls, json.loads(text, object_pairs_hook=functools.partial(_once_each, name)), name)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply; accepted: what {cls.__name__}.to_json writes") from None


def _once_each(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a JSON object, of which none may be given twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{name} has the field {twice!r} twice; accepted: each field once")
    return fields


def _build(cls: type, fields: Any, where: str) -> Any:
    known = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(fields, dict):
        raise ValueError(f"{where} is {fields!r}; accepted: an object with {', '.join(known)}")
    unknown = sorted(set(fields) - set(known))
    missing = [
        name
        for name, field in known.items()
        if name not in fields and field.default is field.default_factory is dataclasses.MISSING
    ]
    if unknown or missing:
        raise ValueError(f"{where} has unknown fields {unknown} and lacks {missing}; accepted: {', '.join(known)}")
    types = typing.get_type_hints(cls)
    return cls(
        **{
            name: _build(types[name], value, f"{where}.{name}") if dataclasses.is_dataclass(types[name]) else value
            for name, value in fields.items()
        }
    )
