"""The quickstart's generator as it is kept: weights, the record beside them, and the command that makes both."""

import json
import shutil

import numpy as np
import pytest

from ganbook.data.recipe import Recipe
from ganbook.gradient_descent.training import train
from ganbook.tuning import results
from ganbook.tuning.experiments.digit_generator import FIELDS, digit_generator, distance, load_generator


def test_the_kept_generator_is_the_quickstart_s():
    arrays, record = load_generator()
    assert Recipe.from_json(json.dumps(record["recipe"])) == Recipe()
    assert record["command"] == "python -m ganbook experiment digit_generator --framework pytorch --steps 2500 --seed 0"
    path = results.results_folder() / "digit_generator_pytorch.safetensors"
    assert path.stat().st_size < 320_000
    assert distance(Recipe(), arrays, record["samples"]) == pytest.approx(record["distance"], rel=1e-3)
    assert record["distance"] < record["floor"]


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_generator_is_kept_by_one_command(framework, tmp_path):
    recipe, lines = Recipe(steps=3, batch=8), []
    record = digit_generator(framework, recipe=recipe, samples=200, out=tmp_path, device="cpu", report=lines.append)
    arrays, read = load_generator(framework, tmp_path)
    assert read == record == results.read_result(tmp_path / f"digit_generator_{framework}.json", FIELDS)
    run = train(recipe, framework, device="cpu")
    for name, array in run.state.average.export().items():
        assert (arrays[name] == array.astype(np.float16)).all()
    assert distance(recipe, arrays, 200, framework) == record["distance"]
    assert len(lines) == 1


def test_weights_and_record_belong_together(tmp_path):
    for ending in ("json", "safetensors"):
        shutil.copy(results.results_folder() / f"digit_generator_pytorch.{ending}", tmp_path)
    path = tmp_path / "digit_generator_pytorch.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(results.ResultError, match="is not the file that its record names"):
        load_generator(folder=tmp_path)


@pytest.mark.parametrize("options", [{"framework": "jax"}, {"samples": 1}])
def test_the_command_refuses_what_it_has_no_use_for(options, tmp_path):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*; accepted"):
        digit_generator(**options, out=tmp_path)
