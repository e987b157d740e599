"""The book's own searches, at tiny length, and the studies that they left."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from ganbook.data.recipe import Recipe
from ganbook.tuning import results
from ganbook.tuning.experiments import tables
from ganbook.tuning.search import optuna_studies, scores, searches
from ganbook.tuning.search.optuna_studies import StudyError
from ganbook.tuning.search.problems import PROBLEMS
from ganbook.tuning.search.storages import open_storage
from tuning.early_losses import early_losses

PROBLEM = dataclasses.replace(PROBLEMS["rates"], steps=1)
LEFT = results.results_folder() / "search.json"


@pytest.fixture
def trained(monkeypatch):
    """Replace the training by a function of rate and seed, and note every call."""
    calls = []

    def run_seed(problem, recipe, seed, device=None):
        calls.append(seed)
        rate = recipe.generator_optimiser.learning_rate.start
        return {
            "distance": None if seed == 101 else 1 + rate + 0.01 * seed,
            "failed": None,
            "early_losses": [0.0] * 3,
            "seconds": 0.0,
        }

    monkeypatch.setattr(scores, "run_seed", run_seed)
    monkeypatch.setattr(searches, "FRESH_SEEDS", (100, 101, 102))
    return calls


def run(tmp_path, trials=3):
    return searches.run_searches(PROBLEM, trials=trials, out=tmp_path, report=lambda line: None)


def test_every_search_leaves_a_study_and_a_winner(trained, tmp_path):
    result = run(tmp_path)
    read, studies = searches.read_searches(tmp_path, PROBLEM)
    assert read == json.loads(json.dumps(result))
    assert list(studies) == [one.name for one in searches.SEARCHES]
    for winner in result["winners"]:
        study = studies[winner["search"]]
        assert len(optuna_studies.finished(study)) == 3
        assert (winner["score"], winner["settings"]) == (study.best_value, study.best_params)
        assert winner["rescored"] == [
            pytest.approx(winner["score"] + shift) if shift else None for shift in (0.99, None, 1.01)
        ]
        assert winner["trainings"] == 9
    assert Recipe.from_json(json.dumps(read["problem"]["base"])) == PROBLEM.base


def test_running_again_trains_nothing_and_more_trials_continue(trained, tmp_path):
    first, made = run(tmp_path), len(trained)
    assert run(tmp_path)["winners"] == first["winners"]
    assert len(trained) == made
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    searches.read_searches(tmp_path, PROBLEM)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    run(tmp_path, trials=4)
    assert all(
        (tmp_path / name).read_bytes().startswith(content)
        for name, content in before.items()
        if name.endswith("journal")
    )
    assert {len(study.trials) for study in searches.read_searches(tmp_path, PROBLEM)[1].values()} == {4}


def test_both_samplers_begin_alike(trained, tmp_path):
    run(tmp_path)
    studies = searches.read_searches(tmp_path, PROBLEM)[1]
    for seed in range(3):
        ours, theirs = (studies[f"search_{sampler}_{seed}"].trials for sampler in ("random", "tpe"))
        assert [trial.params for trial in ours] == [trial.params for trial in theirs]


def test_damaged_results_are_refused(trained, tmp_path):
    run(tmp_path)
    with pytest.raises(results.ResultError, match="is of another problem"):
        searches.read_searches(tmp_path, PROBLEMS["digits"])
    with pytest.raises(StudyError, match="accepted"):
        searches.run_searches(PROBLEMS["digits"], trials=1, out=tmp_path)
    path = tmp_path / "search.json"
    whole = json.loads(path.read_text())
    del whole["winners"][0]["rescored"]
    path.write_text(json.dumps(whole))
    with pytest.raises(results.ResultError, match="a winner without rescored"):
        searches.read_searches(tmp_path, PROBLEM)
    del whole["winners"]
    path.write_text(json.dumps(whole))
    with pytest.raises(results.ResultError, match="lacks winners"):
        searches.read_searches(tmp_path, PROBLEM)


def test_a_missing_journal_is_named_and_not_made(trained, tmp_path):
    run(tmp_path)
    (tmp_path / "search_tpe_1.journal").unlink()
    with pytest.raises(results.ResultError, match=r"search_tpe_1.journal does not exist"):
        searches.read_searches(tmp_path, PROBLEM)
    assert not (tmp_path / "search_tpe_1.journal").exists()


def test_the_stored_winners_are_those_of_the_stored_studies():
    result, studies = searches.read_searches()
    for winner in result["winners"]:
        best = optuna_studies.best_trial(studies[winner["search"]])
        assert (winner["score"], winner["settings"], winner["number"]) == (best.value, best.params, best.number)
        assert len(winner["rescored"]) >= 10
        assert not set(result["fresh_seeds"]) & set(PROBLEMS["digits"].seeds)


def test_a_random_trial_of_the_stored_studies_begins_again_as_noted():
    _, studies = searches.read_searches()
    rng = np.random.default_rng(len(searches.SEARCHES))
    study = studies[rng.choice(sorted(studies))]
    trial = rng.choice([one for one in optuna_studies.finished(study) if searches.records(one)[0]["early_losses"]])
    seed, record = next(iter(searches.records(trial).items()))
    problem = PROBLEMS["digits"]
    cell = tables.Cell("trial", problem.framework, problem.recipe(trial.params).replace(seed=seed))
    np.testing.assert_allclose(
        early_losses(cell),
        record["early_losses"],
        rtol=1e-3,
        atol=1e-4,
        err_msg=f"{study.study_name}, trial {trial.number}, seed {seed}",
    )


def test_the_stored_studies_can_be_continued(trained, tmp_path):
    copy = shutil.copy(LEFT.with_name(f"{searches.SEARCHES[0].name}.journal"), tmp_path)
    study = optuna_studies.read_study(PROBLEMS["digits"], open_storage(copy))
    there = len(optuna_studies.finished(study))
    optuna_studies.run_trials(study, PROBLEMS["digits"], there + 1)
    assert len(optuna_studies.finished(study)) == there + 1
