"""The models reach the honest numbers and no better ones, answer whatever comes, and decide by what mistakes cost."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from helpers.data import load_tables
from helpers.disruption.contract import mended
from helpers.disruption.features import build_features, disrupted
from helpers.disruption.model import (
    MODELS,
    Calibrated,
    Costs,
    Model,
    TooGoodToBeTrue,
    calibrate,
    choose_threshold,
    contributions,
    evaluate,
    reference_statistics,
    refuse_too_good,
    silent_stderr,
    train,
)
from helpers.metrics import Interval, cost_per_1000, expected_calibration_error

QUICK = {"base_rate": {}, "logistic": {}, "boosting": {"max_iter": 30}, "network": {"epochs": 2}}


class Year:
    """Features and outcomes of a year, by month."""

    def __init__(self, year: int):
        tables = mended(load_tables(year))
        self.flights = tables.flights
        self.features = build_features(tables)
        self.target = disrupted(tables.flights)
        self.days = pd.to_datetime(tables.flights[["year", "month", "day"]])

    def months(self, first: int, last: int):
        """Features, outcomes and days of the months from first to last."""
        chosen = self.flights.month.between(first, last)
        return self.features[chosen], self.target[chosen], self.days[chosen]


@pytest.fixture(scope="module")
def year() -> Year:
    return Year(2013)


@pytest.fixture(scope="module")
def boosting(year) -> Model:
    return train("boosting", *year.months(1, 6)[:2])


@pytest.fixture(scope="module")
def quick(year) -> dict[str, Model]:
    """Each model after little training on two months."""
    features, target, _ = year.months(5, 6)
    return {name: train(name, features, target, **params) for name, params in QUICK.items()}


# Honest numbers


def test_boosting_reaches_the_honest_numbers_and_no_better_ones(year, boosting):
    features, target, days = year.months(9, 12)
    found = evaluate(target, boosting.predict_proba(features), days)
    assert 0.745 <= found.roc_auc.value < 0.80
    assert found.brier.value <= 0.143
    assert found.calibration_error.value < 0.02
    assert found.roc_auc.low < found.roc_auc.value < found.roc_auc.high
    refuse_too_good(found.roc_auc)


def test_every_model_beats_the_base_rate_on_the_months_to_come(year, quick):
    features, target, _ = year.months(9, 12)
    brier = {name: brier_score_loss(target, model.predict_proba(features)) for name, model in quick.items()}
    assert set(brier) == set(MODELS)
    assert brier["base_rate"] > max(brier[name] for name in ("logistic", "boosting", "network")) + 0.01


def test_a_feature_from_the_future_is_refused(year):
    features, target, days = year.months(1, 3)
    leaky = features.assign(dep_delay=year.flights.dep_delay[features.index])
    early = days < "2013-02-15"
    model = train("boosting", leaky[early], target[early], max_iter=30)
    found = evaluate(target[~early], model.predict_proba(leaky[~early]), days[~early], n_boot=50)
    with pytest.raises(TooGoodToBeTrue, match="look for a feature from the future"):
        refuse_too_good(found.roc_auc)


def test_a_lucky_month_is_not_refused():
    refuse_too_good(Interval(0.81, 0.78, 0.84))


def test_boosting_works_on_2023():
    year = Year(2023)
    model = train("boosting", *year.months(4, 6)[:2], max_iter=60)
    features, target, _ = year.months(7, 8)
    assert set(year.features) - set(model.columns) == {"wind_gust"}
    assert 0.68 < roc_auc_score(target, model.predict_proba(features)) < 0.80


# One interface


@pytest.mark.parametrize("name", MODELS)
def test_a_table_and_single_rows_get_the_same_answer(year, quick, name):
    features = year.months(9, 9)[0].iloc[:200]
    rows = features.astype({"origin": "str", "dest": "str", "carrier": "str"}).to_dict("records")
    model = quick[name]
    whole = model.predict_proba(features)
    assert whole.shape == (200,)
    assert ((whole >= 0) & (whole <= 1)).all()
    # The network's sums depend on how many rows are multiplied at once, in the last digits of a 32-bit float.
    single = np.concatenate([model.predict_rows([row]) for row in rows])
    assert single == pytest.approx(whole, abs=1e-6 if name == "network" else 1e-12)
    assert model.columns == tuple(features.columns)


def test_boosting_answers_as_scikit_learn_does_with_its_own_encoder(year, quick):
    model, (features, target, _) = quick["boosting"], year.months(5, 6)
    params = {name: getattr(model.trees, name) for name in ("learning_rate", "max_leaf_nodes", "min_samples_leaf")}
    alone = HistGradientBoostingClassifier(
        max_iter=30, early_stopping=False, random_state=0, categorical_features=[0, 1, 2], **params
    ).fit(model.encoder.matrix(features), target)
    asked = model.encoder.matrix(year.months(9, 9)[0])
    asked[::50, :3] = np.nan
    np.testing.assert_array_equal(model.score(asked), alone.predict_proba(asked)[:, 1])


@pytest.mark.parametrize("name", MODELS)
def test_what_was_never_seen_is_answered_and_named(year, quick, name):
    row = year.features.iloc[0].to_dict() | {"carrier": "NK", "dest": "XXX"}
    blank = dict.fromkeys(row, np.nan) | {"origin": "EWR", "dest": "XXX", "carrier": "NK"}
    found = quick[name].predict_rows([row, blank])
    assert np.isfinite(found).all()
    assert quick[name].unknown(row) == ["carrier", "dest"] or quick[name].unknown(row) == ["dest", "carrier"]


@pytest.mark.parametrize("name", MODELS)
def test_order_of_columns_does_not_matter_but_each_is_needed(year, quick, name):
    features = year.months(9, 9)[0].iloc[:20]
    model = quick[name]
    assert (model.predict_proba(features[features.columns[::-1]]) == model.predict_proba(features)).all()
    with pytest.raises(ValueError, match="the features lack temp: build them as for the training"):
        model.predict_proba(features.drop(columns="temp"))
    with pytest.raises(ValueError, match="the features lack temp: build them as for the training"):
        model.predict_rows(features.drop(columns="temp").to_dict("records"))


@pytest.mark.parametrize("name", ["boosting", "network"])
def test_the_same_training_gives_the_same_digits(year, quick, name):
    again = train(name, *year.months(5, 6)[:2], **QUICK[name])
    features = year.months(9, 9)[0]
    assert (again.predict_proba(features) == quick[name].predict_proba(features)).all()


def test_training_leaves_the_global_seeds_alone(year):
    before = np.random.get_state()[1].copy()
    train("network", *(part.iloc[:2000] for part in year.months(5, 6)[:2]), epochs=1)
    assert (np.random.get_state()[1] == before).all()


def test_bad_input_gets_one_line(year):
    features, target, _ = year.months(1, 1)
    with pytest.raises(ValueError, match=r"no model 'forest': take one of base_rate, logistic, boosting, network"):
        train("forest", features, target)
    with pytest.raises(ValueError, match="take a longer window"):
        train("base_rate", features, target & False)
    with pytest.raises(ValueError, match="take isotonic or sigmoid"):
        calibrate(train("base_rate", features, target), features, target, "platt")


def test_tensorflow_is_imported_only_for_the_network():
    program = "import sys, helpers.disruption.model; sys.exit('tensorflow' in sys.modules or 'mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_keras_has_one_thread_unless_tensorflow_has_computed_before():
    program = """import sys
import tensorflow as tf
if "late" in sys.argv:
    tf.constant(1) + 1
from helpers.disruption.model import import_keras
import_keras()
print(tf.config.threading.get_intra_op_parallelism_threads(), tf.config.threading.get_inter_op_parallelism_threads())
"""
    quiet = {"capture_output": True, "text": True, "check": True}
    seen = [subprocess.run([sys.executable, "-c", program, when], **quiet).stdout for when in ("early", "late")]
    assert seen == ["1 1\n", "0 0\n"]


def test_noise_on_descriptor_two_is_thrown_away_and_comes_back(capfd):
    with silent_stderr():
        os.write(2, b"noise")
    os.write(2, b"signal")
    assert capfd.readouterr().err == "signal"


# Calibration


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_calibration_mends_forecasts_that_are_too_bold(year, quick, method):
    class Bold(Calibrated):
        def score(self, matrix):
            odds = (self.model.score(matrix) / (1 - self.model.score(matrix))) ** 3
            return odds / (1 + odds)

    bold = Bold(quick["boosting"], None)
    july, august = year.months(7, 7), year.months(8, 8)
    mended_model = calibrate(bold, *july[:2], method)
    before, after = (expected_calibration_error(august[1], m.predict_proba(august[0])) for m in (bold, mended_model))
    assert after < before / 2
    # The order of the flights stays (isotonic makes some equal), so the ranking does.
    ranking = [roc_auc_score(august[1], m.predict_proba(august[0])) for m in (bold, mended_model)]
    assert ranking[0] == pytest.approx(ranking[1], abs=0.003)
    assert (mended_model.name, mended_model.columns) == ("boosting", bold.columns)


# Decisions


def test_the_threshold_is_the_cheapest_of_all():
    rng = np.random.default_rng(0)
    for _ in range(50):
        probability = rng.integers(0, 20, 60) / 20
        target = rng.random(60) < probability
        false_alarm, miss = rng.uniform(0.5, 5, 2)
        chosen = choose_threshold(target, probability, false_alarm, miss)
        bills = [cost_per_1000(target, probability >= cut, false_alarm, miss) for cut in (*np.unique(probability), 2)]
        assert cost_per_1000(target, probability >= chosen, false_alarm, miss) == pytest.approx(min(bills))


def test_of_forecasts_that_hold_the_threshold_is_that_of_theory():
    rng = np.random.default_rng(0)
    probability = rng.random(400_000)
    target = rng.random(400_000) < probability
    for costs in (Costs(1, 5), Costs(1, 1), Costs(3, 1)):
        chosen = choose_threshold(target, probability, costs.false_alarm, costs.miss)
        assert chosen == pytest.approx(costs.threshold, abs=0.03)


def test_flag_none_when_a_false_alarm_costs_more_than_all_misses():
    assert choose_threshold([0, 0, 1], [0.9, 0.5, 0.1], 100, 1) > 1
    assert choose_threshold([1, 1], [0.2, 0.4]) == 0.2


def test_expected_cost_is_least_for_the_decision_by_the_threshold():
    costs = Costs(2, 7)
    for probability in np.linspace(0, 1, 21):
        by_threshold = costs.expected(probability, probability >= costs.threshold)
        assert by_threshold == min(costs.expected(probability, flagged) for flagged in (True, False))


@pytest.mark.parametrize("amount", [0, -1, np.nan, np.inf])
def test_costs_must_be_above_zero(amount):
    with pytest.raises(ValueError, match="give an amount above zero"):
        Costs(amount, 5)
    with pytest.raises(ValueError, match="no flights to choose a threshold on"):
        choose_threshold([], [])


# Evaluation


def test_evaluation_agrees_with_scikit_learn(year, quick):
    features, target, days = year.months(9, 9)
    probability = quick["boosting"].predict_proba(features)
    shuffled = np.random.default_rng(0).permutation(len(target))
    found = evaluate(target.iloc[shuffled], probability[shuffled], days.iloc[shuffled], Costs(2, 7), threshold=0.3)
    expected = {
        "roc_auc": roc_auc_score(target, probability),
        "average_precision": average_precision_score(target, probability),
        "brier": brier_score_loss(target, probability),
        "log_loss": log_loss(target, probability),
        "calibration_error": expected_calibration_error(target, probability),
        "cost_per_1000": cost_per_1000(target, probability >= 0.3, 2, 7),
    }
    assert {name: value.value for name, value in found.intervals().items()} == pytest.approx(expected)
    assert all(value.low < value.value < value.high for value in found.intervals().values())
    assert (found.flights, found.days, found.threshold) == (len(target), 30, 0.3)
    assert found.disrupted_share == pytest.approx(target.mean())


def test_days_make_the_interval_wider_than_rows(year, boosting):
    features, target, days = (part.iloc[::5] for part in year.months(9, 10))
    probability = boosting.predict_proba(features)
    by_day = evaluate(target, probability, days).brier
    by_row = evaluate(target, probability, np.arange(len(target)), n_boot=50).brier
    assert by_day.high - by_day.low > 2 * (by_row.high - by_row.low)


def test_without_a_threshold_the_costs_set_it():
    rng = np.random.default_rng(0)
    target, probability, days = rng.random(100) < 0.3, rng.random(100), rng.integers(0, 9, 100)
    assert evaluate(target, probability, days, n_boot=10).threshold == pytest.approx(1 / 6)


# Why


def test_contributions_are_what_the_answer_loses_with_the_usual_value(year, quick):
    statistics = reference_statistics(year.months(1, 6)[0])
    usual = {name: column["typical"] for name, column in statistics.items()}
    row = usual | {"departure_delay_origin_3h": 120.0, "dest": "XXX"}
    model = quick["boosting"]
    found = contributions(model, row, usual)
    assert next(iter(found)) == "departure_delay_origin_3h"
    assert found["temp"] == 0
    own, usual_delay = model.predict_rows([row, usual | {"dest": "XXX"}])
    assert found["departure_delay_origin_3h"] == own - usual_delay
    assert own > usual_delay + 0.02


def test_reference_statistics_by_hand():
    features = pd.DataFrame({"carrier": pd.Categorical(["UA", "UA", "AA", None]), "temp": [1.0, 2.0, np.nan, 9.0]})
    assert reference_statistics(features) == {
        "carrier": {"typical": "UA", "missing": 0.25},
        "temp": {"typical": 2.0, "missing": 0.25},
    }
