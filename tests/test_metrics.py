"""The measures agree with slow and obvious references, and survive what the data bring."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from helpers.metrics import (
    Bins,
    Interval,
    Ranking,
    bootstrap_days,
    bootstrap_days_mean,
    cost_per_1000,
    expected_calibration_error,
    population_stability_index,
    psi_of_counts,
    roc_auc_gain,
)

# Calibration error


def test_calibration_error_by_hand():
    target, probability = [0, 1, 1, 1], [0.15, 0.15, 0.95, 0.85]
    # Bins .1-.2 (two rows, mean forecast .15, share .5), .8-.9 and .9-1 (one row each).
    assert expected_calibration_error(target, probability) == pytest.approx((2 * 0.35 + 0.15 + 0.05) / 4)


def test_calibration_error_of_certain_forecasts_is_zero():
    assert expected_calibration_error([0, 1], [0.0, 1.0]) == 0


def test_calibration_error_sees_forecasts_that_are_too_bold():
    rng = np.random.default_rng(0)
    honest = rng.uniform(0.3, 0.7, 200_000)
    target = rng.random(200_000) < honest
    assert expected_calibration_error(target, honest) < 0.01
    assert expected_calibration_error(target, 0.5 + 2 * (honest - 0.5)) == pytest.approx(0.1, abs=0.01)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.integers(0, 3)), min_size=1))
@settings(max_examples=50)
def test_a_weight_is_a_number_of_copies(rows):
    target, probability, weight = map(np.array, zip(*rows, strict=True))
    if not weight.sum():
        return
    copies = np.repeat(np.arange(len(weight)), weight)
    weighted = expected_calibration_error(target, probability, sample_weight=weight)
    assert weighted == pytest.approx(expected_calibration_error(target[copies], probability[copies]))


@pytest.mark.parametrize("measure", [expected_calibration_error, lambda *rows: cost_per_1000(*rows, 1, 5)])
def test_no_rows_and_unequal_rows_are_refused(measure):
    with pytest.raises(ValueError, match="got 0 and 0 rows"):
        measure([], [])
    with pytest.raises(ValueError, match="got 2 and 1 rows"):
        measure([0, 1], [0.5])


# Cost


def test_cost_counts_false_alarms_and_misses():
    target, flagged = [1, 1, 0, 0, 0], [True, False, True, False, False]
    assert cost_per_1000(target, flagged, false_alarm=1, miss=5) == pytest.approx(1000 * (1 + 5) / 5)
    assert cost_per_1000(target, flagged, 1, 5, sample_weight=[1, 0, 1, 1, 1]) == pytest.approx(1000 / 4)


# Ranking


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=1))
@settings(max_examples=100)
def test_ranking_is_that_of_scikit_learn_with_ties_and_weights(rows):
    target, score, weight = map(np.array, zip(*rows, strict=True))
    ranking, drawn = Ranking(target, score / 5), np.repeat(np.arange(len(weight)), weight)
    if 0 < target[drawn].sum() < len(drawn):
        assert ranking.roc_auc(weight) == pytest.approx(roc_auc_score(target[drawn], score[drawn]))
        assert ranking.average_precision(weight) == pytest.approx(average_precision_score(target[drawn], score[drawn]))
    else:
        assert np.isnan(ranking.roc_auc(weight))
        assert np.isnan(ranking.average_precision(weight)) == (not target[drawn].any())


# Stability


def test_psi_by_hand():
    expected, observed = np.array([99.5, 299.5]), np.array([199.5, 199.5])
    by_hand = (0.5 - 0.25) * np.log(0.5 / 0.25) + (0.5 - 0.75) * np.log(0.5 / 0.75)
    assert psi_of_counts(expected, observed) == pytest.approx(by_hand)


def test_psi_of_many_windows_is_that_of_each():
    counts = np.random.default_rng(0).integers(0, 50, (20, 11))
    each = [psi_of_counts(counts[0], row) for row in counts]
    assert psi_of_counts(counts[0], counts) == pytest.approx(np.array(each))
    assert each[0] == 0


def test_psi_is_near_zero_for_two_samples_of_one_distribution_and_grows_with_the_shift():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=50_000)
    shifts = [population_stability_index(reference, rng.normal(shift, 1, 50_000)) for shift in (0, 0.5, 1)]
    assert shifts[0] < 0.001
    # Between two normal distributions the divergence is the square of the shift; bins can only lose some of it.
    assert 0.8 * 0.25 < shifts[1] < 0.25
    assert 0.7 < shifts[2] < 1


def test_psi_survives_an_empty_bin_and_stays_finite():
    assert 5 < population_stability_index(np.arange(1000.0), np.full(1000, 5000.0)) < 20


def test_missing_values_are_a_bin_of_their_own():
    values = np.arange(1000.0)
    assert Bins.of(values).count([np.nan, 3.0, np.nan])[-1] == 2
    assert population_stability_index(values, np.where(values % 2, np.nan, values)) > 1
    assert population_stability_index(values, np.full(1000, np.nan)) > 5


@pytest.mark.parametrize("dry", [0.5, 0.95, 1.0])
def test_psi_sees_rain_in_a_column_that_is_mostly_zero(dry):
    rng = np.random.default_rng(0)
    rain = np.where(rng.random(10_000) < dry, 0, rng.exponential(0.1, 10_000))
    assert population_stability_index(rain, np.maximum(rain, rng.exponential(0.1, 10_000))) > 0.2
    assert population_stability_index(rain, rain[::2]) < 0.01


def test_a_constant_that_falls_is_seen():
    assert population_stability_index(np.full(100, 5), np.full(100, 3)) > 5


def test_psi_of_categories_counts_new_ones_in_one_bin():
    reference = pd.Series(["AA", "UA", "UA"], dtype="category")
    current = pd.Series(["UA", "NK", "G4", None], dtype="category")
    assert Bins.of(reference).count(current).tolist() == [0, 1, 2, 1]
    assert population_stability_index(reference, reference) == 0


def test_bins_hold_each_value_once():
    rng = np.random.default_rng(0)
    bins = Bins.of(rng.normal(size=1000))
    assert bins.count(rng.normal(size=777)).sum() == 777
    assert (np.abs(bins.count(rng.normal(size=100_000))[:-1] / 10_000 - 1) < 0.3).all()


def test_psi_refuses_samples_without_values():
    with pytest.raises(ValueError, match="choose a longer one"):
        population_stability_index([np.nan], [1.0])
    with pytest.raises(ValueError, match="choose a longer window"):
        population_stability_index([1.0], [])


# Intervals by days


def noisy_days(days: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Days with a mean of their own, as weather gives it, and little noise within the day."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    return rng.normal(size=days)[day] + 0.1 * rng.normal(size=day.size), day


def test_generic_and_by_sums_agree():
    values, day = noisy_days(20, 5, seed=1)
    generic = bootstrap_days(lambda v, sample_weight: np.average(v, weights=sample_weight), day, values)
    assert generic == pytest.approx(bootstrap_days_mean(values, day))


def test_rows_of_a_day_stay_together():
    """The standard error of a mean of 100 days is .1, however many rows a day has."""
    values, day = noisy_days(100, 50, seed=2)
    _, low, high = bootstrap_days_mean(values, day, n_boot=2000)
    assert (high - low) / (2 * 1.96) == pytest.approx(values.reshape(100, 50).mean(axis=1).std() / 10, rel=0.1)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    held = 0
    for seed in range(400):
        _, low, high = bootstrap_days_mean(*noisy_days(60, 3, seed), n_boot=300)
        held += low <= 0 <= high
    assert 0.91 < held / 400 < 0.98


def test_order_of_rows_and_dates_for_names_change_nothing():
    values, day = noisy_days(20, 5, seed=3)
    dates = pd.Timestamp("2013-01-01") + pd.to_timedelta(day, unit="D")
    assert bootstrap_days_mean(values, pd.Series(dates)) == bootstrap_days_mean(values, day)
    assert bootstrap_days_mean(values, day, seed=1) != bootstrap_days_mean(values, day, seed=2)


def test_metrics_of_scikit_learn_can_be_resampled():
    rng = np.random.default_rng(0)
    day, probability = rng.integers(0, 30, 3000), rng.random(3000)
    target = rng.random(3000) < probability
    for metric in (roc_auc_score, average_precision_score, brier_score_loss):
        value, low, high = bootstrap_days(metric, day, target, probability)
        assert value == metric(target, probability)
        assert low < value < high


def test_a_resample_without_a_value_is_left_out():
    def share(values, sample_weight):
        return np.nan if sample_weight[0] else np.average(values, weights=sample_weight)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interval = bootstrap_days(share, np.arange(10), np.ones(10))
    assert interval[1:] == (1.0, 1.0)


def test_one_day_has_no_interval():
    with pytest.raises(ValueError, match="needs at least two"):
        bootstrap_days_mean([1.0, 2.0], ["2013-01-01", "2013-01-01"])


def test_an_interval_reads_as_in_a_report():
    assert str(Interval(0.74649, 0.73811, 0.75522)) == "0.7465 [0.7381, 0.7552]"
    assert f"{Interval(0.0141, -0.009, 0.018):+.2f} {Interval(1, 2, 3)}" == "+0.01 [-0.01, +0.02] 1 [2, 3]"


def test_a_gain_is_the_difference_of_two_aucs_and_surer_than_either():
    rng = np.random.default_rng(0)
    day = np.arange(40).repeat(50)
    target = rng.normal(size=40)[day] + rng.normal(size=len(day)) > 1
    old = target + rng.normal(scale=3, size=40)[day] + rng.normal(scale=2, size=len(day))
    new = old + 0.5 * target
    gain = roc_auc_gain(target, new, old, day)
    assert gain.value == pytest.approx(roc_auc_score(target, new) - roc_auc_score(target, old))
    alone = bootstrap_days(Ranking(target, new).roc_auc, day)
    assert gain.high - gain.low < 0.5 * (alone.high - alone.low)
    assert roc_auc_gain(target, new, new, day) == (0, 0, 0)


def test_pairs_counted_by_days_give_each_resample_its_auc_to_the_last_bit():
    rng = np.random.default_rng(0)
    day, target = rng.integers(0, 6, 300), rng.random(300) < 0.3
    ranking = Ranking(target, rng.integers(0, 40, 300) / 40)
    weights = np.vstack([rng.integers(0, 4, (50, 6)), np.zeros((1, 6))]).astype("float64")
    each = [ranking.roc_auc(by_day[day]) for by_day in weights]
    assert np.array_equal(ranking.roc_auc_by_days(day, weights), each, equal_nan=True)
    assert np.isnan(each).sum() == 1


def test_every_row_a_day_of_its_own_needs_no_table_of_pairs():
    rng = np.random.default_rng(0)
    target = rng.random(60_000) < 0.3  # pairs of so many days would fill 29 GB
    new, old = rng.random(60_000) + target, rng.random(60_000)
    gain = roc_auc_gain(target, new, old, np.arange(60_000), n_boot=3)
    assert gain.value == pytest.approx(roc_auc_score(target, new) - roc_auc_score(target, old))


def test_a_thousand_resamples_of_a_season_take_no_time():
    values, day = noisy_days(122, 917, seed=0)
    start = time.perf_counter()
    bootstrap_days_mean(values, day, n_boot=1000)
    assert time.perf_counter() - start < 1
