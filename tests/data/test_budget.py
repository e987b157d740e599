"""Small here, large on Colab with a GPU."""

import sys
import types

import pytest

from ganbook.data import budget as module


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Pretend to be a machine: machine(colab=..., gpu=..., visible=...)."""

    def _machine(*, colab, gpu, visible=None):
        monkeypatch.delitem(sys.modules, "google.colab", raising=False)
        if colab:
            monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
        device = tmp_path / "nvidia0"
        if gpu:
            device.touch()
        monkeypatch.setattr(module, "Path", lambda name: device)
        monkeypatch.setattr(module.shutil, "which", lambda name: None)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return _machine


@pytest.mark.parametrize(
    ("colab", "gpu", "visible", "expected"),
    [
        (True, True, None, "large"),
        (True, True, "0", "large"),
        (True, True, "-1", "small"),
        (True, True, "", "small"),
        (True, False, None, "small"),
        (False, True, None, "small"),
        (False, False, None, "small"),
    ],
)
def test_budget(machine, colab, gpu, visible, expected):
    machine(colab=colab, gpu=gpu, visible=visible)
    assert module.budget("small", "large") == expected


def test_nvidia_smi_alone_shows_a_gpu(machine, monkeypatch):
    machine(colab=True, gpu=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert module.budget(1, 2) == 2
