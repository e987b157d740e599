"""A notebook's kernel that is watched: when its process dies, the cell in hand fails at once."""

import contextlib
import math
import signal
import time
from queue import Empty
from typing import Any

from nbval.kernel import RunningKernel

POLL = 1.0  # seconds between two looks at the process


class KernelDied(RuntimeError):
    """A kernel's process ended in the middle of a cell."""


class WatchedKernel(RunningKernel):
    """What nbval starts for a notebook, which by itself waits for the answer of a dead process until a time-out.

    Args:
        as for :class:`nbval.kernel.RunningKernel`.
    """

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        """Wait for one message of the kernel, and look every ``POLL`` seconds whether it is alive.

        Raises:
            Empty: no message came within ``timeout`` seconds; None waits for ever.
            KernelDied: there is no process that could send one; names the signal that ended it.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            with contextlib.suppress(Empty):
                return super().get_message(stream, min(POLL, max(0.0, end - time.monotonic())))
            if not self.is_alive():
                raise KernelDied(
                    f"the kernel died in this cell, by {ending(self.km.provisioner.process.returncode)}; "
                    "the notebook's other cells cannot run"
                )
            if time.monotonic() >= end:
                raise Empty


def ending(code: int) -> str:
    """Return in words how a process ended: the signal's name, or the exit code."""
    return f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
