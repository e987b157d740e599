"""Problems, studies that continue, trials that are given up, and winners that are scored again."""

import dataclasses
import json
import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS, Architecture, Recipe, Schedule
from ganbook.gradient_descent import training
from ganbook.tuning.metrics.frechet import frechet_distance, pixels
from ganbook.tuning.search import optuna_studies, problems, scores
from ganbook.tuning.search.optuna_studies import StudyError
from ganbook.tuning.search.problems import PROBLEMS, Choice, Range
from ganbook.tuning.search.storages import open_storage

SMALL = {"hidden": (4,), "initialiser": "he"}
BASE = Recipe(
    split="train",
    batch=8,
    dtype="float64",
    generator=Architecture("MLPGenerator", {"latent": 4, "shape": (8, 8, 1), **SMALL}),
    discriminator=Architecture("MLPDiscriminator", {"shape": (8, 8, 1), **SMALL}),
)
SPACE = {"generator_rate": Range(1e-4, 1e-2, log=True), "loss": Choice(("hinge", "relativistic"))}
PROBLEM = problems.SearchProblem("small", BASE, SPACE, steps=2)
GOOD = {"generator_rate": 1e-3, "loss": "hinge"}
frameworks = pytest.mark.parametrize("framework", FRAMEWORKS)


def scored(monkeypatch, distance):
    """Replace the training by a function of recipe and seed; None stands for a run that diverged."""

    def run_seed(problem, recipe, seed, device=None):
        value = distance(recipe, seed)
        return {
            "distance": value,
            "failed": None if value is not None else "step 1: nan",
            "early_losses": [0.0] * 3,
            "seconds": 0.0,
        }

    monkeypatch.setattr(scores, "run_seed", run_seed)


def by_rate(recipe, seed):
    """Best at a rate of 1e-3."""
    return 1 + abs(math.log10(recipe.generator_optimiser.learning_rate.start) + 3) + 0.01 * seed


def begin(tmp_path, *tools, problem=PROBLEM):
    return optuna_studies.open_study(problem, open_storage(tmp_path / "study.journal"), *tools)


def outcome(study):
    return [(trial.params, trial.state, trial.value, trial.intermediate_values) for trial in study.trials]


# Problems


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("generator_rate", 5e-4, {"generator_optimiser": {"learning_rate": Schedule(5e-4, 1e-5, "cosine")}}),
        ("discriminator_rate", 5e-4, {"discriminator_optimiser": {"learning_rate": Schedule(5e-4, 1e-5, "cosine")}}),
        ("beta1", 0.5, {"generator_optimiser": {"beta1": 0.5}, "discriminator_optimiser": {"beta1": 0.5}}),
        ("penalty", 10.0, {"r1": Schedule(10.0, 1.0, "cosine"), "r2": Schedule(10.0, 1.0, "cosine")}),
        ("batch", 32, {"batch": 32}),
        ("loss", "hinge", {"loss": "hinge"}),
    ],
)
def test_a_setting_changes_what_it_names_and_nothing_else(name, value, expected):
    recipe, fields = Recipe(), {}
    for field, change in expected.items():
        old = getattr(recipe, field)
        fields[field] = dataclasses.replace(old, **change) if isinstance(change, dict) else change
    assert problems.SETTINGS[name](recipe, value) == recipe.replace(**fields)


def test_the_width_is_that_of_both_players():
    recipe = problems.SETTINGS["width"](Recipe(), 7)
    assert recipe == Recipe().replace(
        generator=Recipe().generator.with_(hidden=(7, 7, 7)),
        discriminator=Recipe().discriminator.with_(hidden=(7, 7, 7)),
    )


def test_a_penalty_that_is_not_there_does_not_appear():
    assert problems.SETTINGS["penalty"](Recipe(r2=0.0), 2.0).r2 == Schedule(0.0)
    with pytest.raises(ValueError, match="has neither r1 nor r2; accepted"):
        problems.SETTINGS["penalty"](Recipe(r1=0.0, r2=0.0), 2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generator_rate": 1e-3}, "settings has generator_rate; accepted: generator_rate, loss"),
        ({**GOOD, "batch": 3}, "settings has batch"),
        ({**GOOD, "generator_rate": 1.0}, "generator_rate is 1.0; accepted: a number at least 0.0001 and at most 0.01"),
        ({**GOOD, "loss": "minimax"}, "loss is 'minimax'; accepted: hinge, relativistic"),
    ],
)
def test_settings_outside_the_space_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PROBLEM.recipe(settings)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"space": {}}, "space is empty; accepted"),
        ({"space": {"colour": Choice((1, 2))}}, "a name in space is 'colour'; accepted: generator_rate"),
        ({"seeds": (0, 1)}, r"seeds is \(0, 1\); accepted: at least 3 different"),
        ({"seeds": (0, 1, 1)}, "seeds is"),
        ({"steps": 0}, "steps is 0"),
        ({"framework": "jax"}, "framework is 'jax'"),
        ({"base": BASE.replace(split="all")}, "base learns 'digits', split 'all'; accepted"),
        ({"name": "a b"}, "name is 'a b'"),
    ],
)
def test_wrong_questions_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PROBLEM, **fields)


@pytest.mark.parametrize(
    "where", [lambda: Range(0.0, 1.0, log=True), lambda: Range(2.0, 1.0), lambda: Range(1.0, 1.0), lambda: Choice((1,))]
)
def test_empty_ranges_are_refused(where):
    with pytest.raises(ValueError, match="accepted"):
        where()


def test_the_fingerprint_is_that_of_everything_that_scores_depend_on():
    others = [
        dataclasses.replace(PROBLEM, **fields)
        for fields in (
            {"name": "other"},
            {"base": BASE.replace(batch=9)},
            {"space": {**SPACE, "loss": Choice(("hinge", "minimax"))}},
            {"space": {**SPACE, "generator_rate": Range(1e-4, 1e-2)}},
            {"seeds": (0, 1, 3)},
            {"steps": 3},
            {"framework": "tensorflow"},
        )
    ]
    assert dataclasses.replace(PROBLEM).fingerprint == PROBLEM.fingerprint
    assert len({PROBLEM.fingerprint, *(problem.fingerprint for problem in others)}) == 1 + len(others)


def test_a_problem_is_known_again_after_a_field_has_joined_the_recipe():
    stored = json.loads(PROBLEM.to_json())
    assert stored["base"].pop("dequantisation") == 0.0
    assert PROBLEM.is_that_of(json.dumps(stored))
    stored["base"]["batch"] += 1
    assert not PROBLEM.is_that_of(json.dumps(stored))


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_named_problems_are_sound(name):
    problem = PROBLEMS[name]
    assert problem.name == name
    assert not set(problem.seeds) & set(scores.FRESH_SEEDS)
    assert len(scores.FRESH_SEEDS) >= 10
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    assert problem.suggest(trial) == problem.recipe(trial.params)


# Scores


@frameworks
def test_a_score_is_what_training_and_measuring_give(framework):
    problem = dataclasses.replace(PROBLEM, framework=framework)
    record = scores.run_seed(problem, problem.recipe(GOOD), 5, "cpu")
    run = training.train(problem.recipe(GOOD).replace(seed=5), framework, device="cpu")
    unseen = data.load("digits", split="test").images
    assert record["distance"] == frechet_distance(pixels(run.sample(len(unseen), 1_000_005)), pixels(unseen))
    assert record["early_losses"] == [run.history[name][-1] for name in training.LOSSES]
    assert record["failed"] is None


def test_the_floor_is_between_two_halves_as_large_as_those_that_are_scored():
    mean, deviation = scores.noise_floor(PROBLEM)
    halves = [pixels(data.load("digits", split=split).images) for split in ("train", "test")]
    assert abs(mean - frechet_distance(*halves)) < 3 * deviation
    assert 0 < deviation < 0.2 * mean


def test_samples_that_are_not_finite_are_a_failure():
    run = training.start_run(PROBLEM.recipe(GOOD), device="cpu")
    run.sample = lambda n, seed: np.full((n, 8, 8, 1), np.nan)
    with pytest.raises(training.NonFiniteLoss, match="values that are not finite"):
        scores._distance(run)


# Studies


def test_the_score_is_the_median_over_the_seeds(monkeypatch, tmp_path):
    scored(monkeypatch, lambda recipe, seed: [5.0, 1.0, 2.0][seed])
    study = begin(tmp_path)
    optuna_studies.run_trials(study, PROBLEM, 2)
    assert [trial.value for trial in study.trials] == [2.0, 2.0]
    assert study.trials[0].intermediate_values == {1: 5.0, 2: 1.0, 3: 2.0}
    assert study.trials[0].user_attrs["seed 1"]["distance"] == 1.0


@pytest.mark.parametrize("sampler", optuna_studies.SAMPLERS)
def test_a_continued_search_is_the_uninterrupted_one(sampler, monkeypatch, tmp_path):
    scored(monkeypatch, by_rate)
    whole = begin(tmp_path / "whole", sampler, 3)
    optuna_studies.run_trials(whole, PROBLEM, 16)
    for trials in (1, 7, 12, 16):
        optuna_studies.run_trials(begin(tmp_path / "parts", sampler, 3), PROBLEM, trials)
    parts = begin(tmp_path / "parts")
    assert outcome(parts) == outcome(whole)
    assert len({trial.params["generator_rate"] for trial in parts.trials}) == 16
    other = begin(tmp_path / "other", sampler, 4)
    optuna_studies.run_trials(other, PROBLEM, 1)
    assert other.trials[0].params != whole.trials[0].params


def test_the_estimator_learns(monkeypatch, tmp_path):
    scored(monkeypatch, by_rate)
    scores = {}
    for sampler in optuna_studies.SAMPLERS:
        study = begin(tmp_path / sampler, sampler, 0, "none")
        optuna_studies.run_trials(study, PROBLEM, 40)
        scores[sampler] = np.median([trial.value for trial in study.trials[optuna_studies.START :]])
    assert scores["tpe"] < scores["random"] - 0.2


def test_a_finished_study_runs_nothing_more(monkeypatch, tmp_path):
    scored(monkeypatch, by_rate)
    optuna_studies.run_trials(begin(tmp_path), PROBLEM, 3)
    before = (tmp_path / "study.journal").read_bytes()
    optuna_studies.run_trials(begin(tmp_path), PROBLEM, 3)
    assert len(optuna_studies.read_study(PROBLEM, open_storage(tmp_path / "study.journal")).trials) == 3
    assert (tmp_path / "study.journal").read_bytes() == before


def test_an_interrupted_trial_is_tried_again_and_nothing_else_is_lost(monkeypatch, tmp_path):
    def interrupted(recipe, seed):
        if seed == 1 and len(optuna_studies.finished(study)) == 2:
            raise KeyboardInterrupt
        return by_rate(recipe, seed)

    scored(monkeypatch, interrupted)
    study = begin(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        optuna_studies.run_trials(study, PROBLEM, 4)
    assert len(optuna_studies.finished(study)) == 2
    scored(monkeypatch, by_rate)
    study = begin(tmp_path)
    optuna_studies.run_trials(study, PROBLEM, 4)
    lost, again = (trial for trial in study.trials if trial.params == study.trials[2].params)
    assert (lost.state, again.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert len(optuna_studies.finished(study)) == 4


def test_a_trial_that_was_killed_is_tried_again(monkeypatch, tmp_path):
    scored(monkeypatch, by_rate)
    study = begin(tmp_path)
    killed = PROBLEM.suggest(study.ask())  # whoever asked ends here
    optuna_studies.run_trials(study, PROBLEM, 2)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert PROBLEM.recipe(study.trials[1].params) == killed


def test_an_error_is_not_taken_for_a_bad_score(monkeypatch, tmp_path):
    def broken(recipe, seed):
        raise OSError("disk full")

    scored(monkeypatch, broken)
    study = begin(tmp_path)
    with pytest.raises(OSError, match="disk full"):
        optuna_studies.run_trials(study, PROBLEM, 1)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]


@pytest.mark.parametrize("change", [{"name": "other"}, {"steps": 3}, {"base": BASE.replace(batch=16)}])
def test_a_study_of_another_question_is_refused_and_left_alone(change, monkeypatch, tmp_path):
    scored(monkeypatch, by_rate)
    optuna_studies.run_trials(begin(tmp_path), PROBLEM, 2)
    before = (tmp_path / "study.journal").read_bytes()
    with pytest.raises(StudyError, match="accepted"):
        begin(tmp_path, problem=dataclasses.replace(PROBLEM, **change))
    assert (tmp_path / "study.journal").read_bytes() == before


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        (("random",), "sampler is 'random', and the study was begun with 'tpe'"),
        ((None, 1), "seed is 1, and the study was begun with 0"),
        ((None, None, "none"), "pruner is 'none', and the study was begun with 'median'"),
    ],
)
def test_a_study_keeps_its_tools(tools, message, tmp_path):
    begin(tmp_path)
    with pytest.raises(StudyError, match=message):
        begin(tmp_path, *tools)


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        (("grid",), "sampler is 'grid'; accepted: tpe, random"),
        ((None, -1), "seed is -1"),
        ((None, None, "axe"), "pruner is 'axe'; accepted: median, wilcoxon, none"),
    ],
)
def test_wrong_tools_are_refused_and_no_study_begun(tools, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        begin(tmp_path, *tools)
    assert (tmp_path / "study.journal").read_bytes() == b""


def test_no_study_and_no_score_are_said(monkeypatch, tmp_path):
    with pytest.raises(StudyError, match="there is no study 'small'"):
        optuna_studies.read_study(PROBLEM, open_storage(tmp_path / "study.journal"))
    scored(monkeypatch, lambda recipe, seed: None)
    study = begin(tmp_path)
    optuna_studies.run_trials(study, PROBLEM, 2)
    with pytest.raises(StudyError, match="none of the 2 finished trials has a score"):
        optuna_studies.best_trial(study)


# Trials that are given up


def test_a_trial_that_diverges_is_given_up_with_its_reason(monkeypatch, tmp_path):
    scored(monkeypatch, lambda recipe, seed: None if recipe.loss == "hinge" and seed == 1 else by_rate(recipe, seed))
    study = begin(tmp_path, "random")
    optuna_studies.run_trials(study, PROBLEM, 8)
    for trial in study.trials:
        assert trial.state == (TrialState.PRUNED if trial.params["loss"] == "hinge" else TrialState.COMPLETE)
        if trial.state == TrialState.PRUNED:
            assert trial.user_attrs["reason"] == "diverged with seed 1: step 1: nan"
            assert "seed 2" not in trial.user_attrs
    assert optuna_studies.best_trial(study).params["loss"] == "relativistic"


def test_a_hopeless_trial_is_given_up_after_its_first_seed(monkeypatch, tmp_path):
    scored(monkeypatch, by_rate)
    study = begin(tmp_path, "random")
    optuna_studies.run_trials(study, PROBLEM, 30)
    first, later = study.trials[: optuna_studies.START], study.trials[optuna_studies.START :]
    assert {trial.state for trial in first} == {TrialState.COMPLETE}
    pruned = [trial for trial in later if trial.state == TrialState.PRUNED]
    assert len(pruned) >= 5
    for trial in pruned:
        assert list(trial.intermediate_values) == [1]
        assert trial.user_attrs["reason"].startswith("hopeless after seed 0: distance ")
    kept = [trial.intermediate_values[1] for trial in later if trial.state == TrialState.COMPLETE]
    assert max(kept) < max(trial.intermediate_values[1] for trial in pruned)


# Winners


def test_winners_are_scored_on_fresh_seeds(monkeypatch):
    seen = []

    def distance(recipe, seed):
        seen.append(seed)
        return None if seed == 101 else float(seed)

    scored(monkeypatch, distance)
    assert scores.rescore(PROBLEM, GOOD, (100, 101, 102)) == [100.0, math.inf, 102.0]
    assert seen == [100, 101, 102]
    with pytest.raises(ValueError, match="seeds has 1, on which the search chose; accepted: fresh ones"):
        scores.rescore(PROBLEM, GOOD, (1, 100))


@pytest.mark.parametrize("seeds", [(), (100, 100), (-1,), (1.5,)])
def test_wrong_seeds_are_refused(seeds):
    with pytest.raises(ValueError, match=r"seeds is .*accepted"):
        scores.score(PROBLEM, GOOD, seeds)
