"""The examples in docstrings run, and whatever a page calls has one."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import ganbook
from book_tools import colab
from notebook_pages import NOTEBOOKS, code_cells, read, tags

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
POINTER = re.compile(r"The twin of :(?:func|class|meth):`([\w.]+)`")


def modules():
    return [
        info.name for info in pkgutil.walk_packages(ganbook.__path__, "ganbook.") if not info.name.endswith("__main__")
    ]


def functions_on_pages():
    """By full name, the functions of the package that the cells of a notebook import, or take from a module."""
    found = {}
    for path in NOTEBOOKS:
        trees = [ast.parse(cell.source) for cell in code_cells(read(path)) if colab.TAG not in tags(cell)]
        names = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ganbook")
            for alias in node.names
        }
        taken = [
            f"{names[node.value.id]}.{node.attr}"
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
        ]
        for name in (*names.values(), *taken):
            module, _, attribute = name.rpartition(".")
            try:
                value = getattr(importlib.import_module(module), attribute)
            except (ImportError, AttributeError):  # a submodule, or an attribute of something else
                continue
            # The programs are on the pages whole.
            if inspect.isfunction(value) and "from ganbook.data import programs" not in inspect.getsource(
                inspect.getmodule(value)
            ):
                found[f"{value.__module__}.{value.__name__}"] = value
    return found


def explained(value):
    """The docstring, or that of the twin which it points to."""
    text = inspect.getdoc(value) or ""
    pointer = POINTER.match(text)
    if not pointer:
        return text
    module, _, name = pointer[1].rpartition(".")
    return explained(getattr(importlib.import_module(module), name))


def test_every_function_that_a_page_calls_has_an_example():
    shown = functions_on_pages()
    assert len(shown) > 100
    without = sorted(name for name, value in shown.items() if ">>> " not in explained(value))
    assert not without, "\n".join(without)


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0
