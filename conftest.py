"""Make bare ``pytest`` and bare ``pytest --nbval chapters/`` right by themselves, from any folder of the project."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "code"))

from book_tools.environment import NOTEBOOK, set_defaults  # noqa: E402

# At import: kernels and the frameworks read the environment once, when they start.
set_defaults()

import matplotlib  # noqa: E402
import nbval.plugin  # noqa: E402
import pytest  # noqa: E402

import ganbook  # noqa: E402, F401  before either framework
from book_tools.about import compare_outputs  # noqa: E402
from book_tools.kernels import WatchedKernel  # noqa: E402

# nbval offers no other way to give its notebooks another kernel, or another comparison.
nbval.plugin.RunningKernel = WatchedKernel
nbval.plugin.IPyNbCell.compare_outputs = compare_outputs

# Not through MPLBACKEND: kernels would inherit it, and notebooks draw with their own inline backend.
matplotlib.use("Agg")


def pytest_configure(config: pytest.Config) -> None:
    """Point pytest at the project's own files, wherever it was started."""
    option = config.option
    option.nbval_current_env = not option.nbval_kernel_name
    here = config.invocation_params.dir
    config.args = [_argument(argument, here) for argument in config.args]
    if "network" not in option.markexpr:
        option.markexpr = f"({option.markexpr}) and not network" if option.markexpr else "not network"
    if not option.nbval and here != ROOT and config.args == [str(here)] and not _holds_tests(here):
        config.args = [str(ROOT / "tests")]


def _argument(argument: str, here: Path) -> str:
    """Return a path argument that only exists seen from the root as a path that exists from anywhere."""
    name, separator, rest = argument.partition("::")
    if name.startswith("-") or (here / name).exists() or not (ROOT / name).exists():
        return argument
    return str(ROOT / name) + separator + rest


def _holds_tests(folder: Path) -> bool:
    tests = ROOT / "tests"
    return folder == tests or tests in folder.parents or ROOT not in folder.parents


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item):
    """Start the kernels of notebooks without a GPU: the stored outputs come from a CPU."""
    if item.path.suffix != ".ipynb":
        return (yield)
    before = {name: os.environ.get(name) for name in NOTEBOOK}
    os.environ.update(NOTEBOOK)
    try:
        return (yield)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
