"""Twins are mirror images: compared as text, without importing either framework, and imported each on its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parents[1] / "code"
PAIRS = sorted(path.with_name(path.name.removesuffix("_torch.py")) for path in (CODE / "ganbook").rglob("*_torch.py"))
#: What a framework calls the method that computes a layer's output.
SAME = {"call": "forward"}
#: What stands where another twin holds the contract.
POINTER = re.compile(r"The twin of :(?:func|class):`~?(?P<module>[\w.]+)\.(?P<name>\w+)`\.")
OTHERS = {"torch": ("tensorflow", "keras"), "tensorflow": ("torch",)}


def module_of(path):
    return ".".join(path.relative_to(CODE).with_suffix("").parts)


def public(name):
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def described(tree, prefix="", skip=()):
    """Name, arguments with defaults, and docstring of every public function, class and method, in order."""
    found = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and public(node.name) and node.name not in skip:
            found.append((prefix + SAME.get(node.name, node.name), arguments_of(node.args), ast.get_docstring(node)))
        elif isinstance(node, ast.ClassDef) and public(node.name):
            found.append((prefix + node.name, [keyword.arg for keyword in node.keywords], ast.get_docstring(node)))
            found += described(node, f"{prefix}{node.name}.", skip)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [
                (prefix + target.id, None, None)
                for target in targets
                if isinstance(target, ast.Name) and public(target.id)
            ]
    return found


def arguments_of(arguments):
    """Names, kinds and defaults, as text."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    pairs = [
        *zip(positional, defaults, strict=True),
        (arguments.vararg, None),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        (arguments.kwarg, None),
    ]
    return [(argument and argument.arg, default and device_free(ast.unparse(default))) for argument, default in pairs]


def device_free(default):
    """The CPU is one device under two names."""
    return default.replace("'/CPU:0'", "'cpu'")


def differences(one, other):
    """What differs between two sources, as lines to read."""
    skip = {"extra_repr", "native_padding", "channels_at_end"}  # of one framework alone
    if "from ganbook.data import programs" in one:  # Keras draws Glorot's weights and calls a list of layers by itself
        skip |= {"initialise", "forward"}
    left, right = (described(ast.parse(source), skip=skip) for source in (one, other))
    lines = [
        f"{a} is not {b}"
        for a, b in zip(left, right, strict=False)
        if a[:2] != b[:2] or not (a[2] == b[2] or b[2] is None or POINTER.fullmatch(b[2]))
    ]
    return lines + [f"{entry} has no twin" for entry in (left[len(right) :] or right[len(left) :])]


def sources(stem):
    return (stem.with_name(f"{stem.name}_{ending}.py").read_text() for ending in ("torch", "tensorflow"))


def test_there_are_twins():
    assert {module_of(stem) for stem in PAIRS} >= {
        "ganbook.tensors.layers",
        "ganbook.tensors.networks",
        "ganbook.probability.losses",
    }


def test_no_twin_is_alone():
    lonely = {
        path.with_name(path.name.removesuffix("_tensorflow.py")) for path in (CODE / "ganbook").rglob("*_tensorflow.py")
    } ^ set(PAIRS)
    assert not lonely


@pytest.mark.parametrize("stem", PAIRS, ids=map(module_of, PAIRS))
def test_twins_have_the_same_public_face(stem):
    assert differences(*sources(stem)) == []


def test_a_docstring_that_points_elsewhere_finds_a_contract_there():
    found = 0
    for path in sorted((CODE / "ganbook").rglob("*.py")):
        for name, _, docstring in described(ast.parse(path.read_text())):
            if docstring and docstring.startswith("The twin of"):
                target = POINTER.fullmatch(docstring)
                assert target, (path, docstring)
                assert target["name"] == name, (path, docstring)
                there = CODE.joinpath(*target["module"].split(".")).with_suffix(".py")
                contracts = {entry[0]: entry[2] for entry in described(ast.parse(there.read_text()))}
                assert contracts[name], (path, docstring)
                assert not POINTER.fullmatch(contracts[name]), (path, docstring)
                found += 1
    assert found > 100


MISTAKES = {  # planted in one twin's text
    "another name": ("def to_native(", "def to_tensor("),
    "another default": ('dtype: str = "float32"', 'dtype: str = "float64"'),
    "another argument": ("device: str | None", "place: str | None"),
    "another docstring": ('"""The twin of :class:`', '"""Like :class:`'),
    "another class": ("class Network(", "class Net("),
    "one function less": ("def build(", "def _build("),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_difference_is_seen(mistake):
    one, other = sources(CODE / "ganbook" / "tensors" / "networks")
    before, after = MISTAKES[mistake]
    assert before in other
    assert differences(one, other.replace(before, after)) != []


def imported_with(modules):
    """What a fresh Python has in sys.modules once it has imported these."""
    program = (
        f"import importlib, sys; sys.path.insert(0, {str(CODE)!r})\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules if sys.modules[name]})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.split())


@pytest.mark.parametrize("ending", OTHERS)
def test_one_framework_alone_is_imported(ending):
    found = imported_with([module_of(stem.with_name(f"{stem.name}_{ending}.py")) for stem in PAIRS])
    assert ending in found
    assert not found & set(OTHERS[ending])


def test_the_modules_of_neither_framework_import_none():
    modules = [
        module_of(path)
        for path in (CODE / "ganbook").rglob("*.py")
        if not path.stem.endswith(("_torch", "_tensorflow")) and path.stem not in ("__init__", "__main__")
    ]
    assert "ganbook.tensors.exchange" in modules
    assert not imported_with(modules) & {"torch", "tensorflow", "keras"}
