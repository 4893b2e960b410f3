"""A model is trained when it should be, comes to serve only when it is better, and is taken back when it does harm."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from helpers.data import load_tables
from helpers.disruption.features import build_features, disrupted
from helpers.disruption.model import train
from helpers.disruption.retrain import (
    FEATURES,
    TEST_DAYS,
    Champion,
    Decision,
    Known,
    Limits,
    NotEnoughDays,
    Recipe,
    Rival,
    Scores,
    Slice,
    calendar,
    challenge,
    gate,
    likelihood_ratios,
    load,
    mean_of_blocks,
    never,
    on_alarm,
    policy,
    save,
    split_days,
    watch,
)
from helpers.disruption.stream import scheduled_departure

AT = datetime(2013, 6, 1, 4, tzinfo=UTC)  # midnight in New York
TRAINED = (date(2013, 1, 1), date(2013, 4, 30))


def made_days(first: str, days: int, per_day: int = 100) -> pd.DataFrame:
    """Flights of consecutive days whose outcomes are known six hours after midnight of the next day."""
    day = pd.date_range(first, periods=days).as_unit("us").repeat(per_day)
    known_at = (day + pd.Timedelta(hours=30)).tz_localize("America/New_York").tz_convert("UTC")
    return pd.DataFrame({"day": day, "known_at": known_at, "origin": "EWR", "carrier": "UA", "disrupted": False})


def judged(days: int = 28, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Flights of May with their true probabilities: days differ, and so do flights."""
    rng = np.random.default_rng(seed)
    flights = made_days("2013-05-01", days)
    logit = rng.normal(-1.2, 0.8, days).repeat(100) + rng.normal(0, 1, len(flights))
    truth = 1 / (1 + np.exp(-logit))
    carrier = rng.choice(["UA", "DL", "HA"], len(flights), p=[0.6, 0.39, 0.01])
    return flights.assign(disrupted=rng.random(len(flights)) < truth, carrier=carrier), truth


def decide(flights: pd.DataFrame, old: np.ndarray, new: np.ndarray, times: tuple[float, float] = (2, 2)) -> Decision:
    return gate(AT, flights, Rival("version 1", old, times[0]), Rival("version 2", new, times[1]), TRAINED)


# Train now?


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("at", "trained_at", "answer"),
    [
        ("2013-05-01T03:59Z", "2013-04-01T04:00Z", False),  # still April in New York
        ("2013-05-01T04:00Z", "2013-04-01T04:00Z", True),
        ("2013-05-01T05:00Z", "2013-05-01T04:00Z", False),
        ("2014-01-01T05:00Z", "2013-12-01T05:00Z", True),
    ],
)
def test_the_calendar_asks_once_a_month_by_new_yorks_clock(at, trained_at, answer):
    assert calendar(Known(moment(at), moment(trained_at))) is answer


def test_an_alarm_asks_after_a_rest_and_only_when_it_is_news():
    at = moment("2013-05-20T04:00Z")
    assert on_alarm(Known(at, at - timedelta(days=8), alarms=(at,)))
    assert not on_alarm(Known(at, at - timedelta(days=6), alarms=(at,)))  # too soon
    assert not on_alarm(Known(at, at - timedelta(days=8), alarms=(at - timedelta(days=9),)))  # answered by training
    assert not on_alarm(Known(at, at - timedelta(days=8), alarms=(at + timedelta(minutes=1),)))  # not known yet


def test_never_never_asks_and_an_unknown_policy_is_refused():
    assert not never(Known(AT, AT - timedelta(days=900), alarms=(AT,)))
    assert policy("alarm") is on_alarm
    with pytest.raises(ValueError, match=r"no policy 'daily': choose from never, calendar, alarm"):
        policy("daily")


# On what?


def test_the_last_days_are_kept_for_the_gate():
    flights = made_days("2013-01-01", 151)  # until 31 May, which is not known yet at midnight
    split = split_days(flights, AT)
    assert list(flights.day[split.test].unique()) == list(pd.date_range("2013-05-03", "2013-05-30"))
    assert flights.day[split.train].min() == pd.Timestamp("2013-01-01")
    assert flights.day[split.train].max() == pd.Timestamp("2013-05-02")
    assert not (split.train & split.test).any()
    assert flights.known_at[split.both].max() <= AT


def test_a_sliding_window_forgets_and_an_expanding_one_does_not():
    flights = made_days("2013-01-01", 151)
    sliding = split_days(flights, AT, months=3)
    assert flights.day[sliding.train].min() == pd.Timestamp("2013-02-03")
    assert (sliding.test == split_days(flights, AT).test).all()


def test_nothing_from_after_the_moment_is_used():
    flights = made_days("2013-01-01", 365)
    first = split_days(flights, AT)
    changed = flights.assign(known_at=flights.known_at.where(flights.known_at <= AT))  # the rest never becomes known
    later = split_days(changed, AT)
    assert (first.train == later.train).all() and (first.test == later.test).all()


def test_a_day_with_late_outcomes_is_left_out():
    flights = made_days("2013-01-01", 151)
    late = (flights.day == pd.Timestamp("2013-05-20")) & (flights.index % 100 < 3)
    split = split_days(flights.assign(known_at=flights.known_at.mask(late)), AT)
    assert pd.Timestamp("2013-05-20") not in set(flights.day[split.both])
    assert flights.day[split.test].nunique() == TEST_DAYS


def test_too_few_days_are_one_clear_line():
    with pytest.raises(NotEnoughDays, match="30 days have known outcomes: wait until there are 56"):
        split_days(made_days("2013-05-01", 31), AT)


# Is it better?


def test_a_better_model_passes_and_its_numbers_are_those_of_the_definition():
    flights, truth = judged()
    dull = np.full(len(flights), flights.disrupted.mean())
    decision = decide(flights, dull, truth)
    assert decision.passed
    assert decision.brier.challenger == pytest.approx(np.mean((truth - flights.disrupted) ** 2))
    assert decision.gain.value == pytest.approx(decision.brier.change)
    assert decision.gain.low < decision.gain.value < decision.gain.high < 0
    assert {one.name for one in decision.slices} == {"EWR", "UA", "DL"}  # HA has too few flights to judge


def test_the_interval_of_equal_blocks_is_students():
    values, days = np.repeat([1.0, 2, 4, 5], 4), pd.Series(pd.date_range("2013-05-01", periods=16))
    found = mean_of_blocks(values, days, 0.95)
    # Mean 3, standard error sqrt((4 + 1 + 1 + 4) / 3 / 4), and 3.182 is Student's 97.5 % with three degrees of freedom.
    assert found == pytest.approx((3, 3 - 3.182446 * 0.912871, 3 + 3.182446 * 0.912871), rel=1e-5)
    with pytest.raises(ValueError, match="give more than 4 days"):
        mean_of_blocks(values[:4], days[:4], 0.95)


def equal_models(correlation: float, trials: int, rng: np.random.Generator) -> float:
    """Share of trials in which one of two equal models passes; their days' differences resemble their neighbours."""
    noise = rng.normal(size=(trials, TEST_DAYS))
    for day in range(1, TEST_DAYS):
        noise[:, day] = correlation * noise[:, day - 1] + np.sqrt(1 - correlation**2) * noise[:, day]
    days = pd.Series(pd.date_range("2013-05-01", periods=TEST_DAYS))
    level = 1 - 2 * Limits().false_pass_rate
    return float(np.mean([mean_of_blocks(trial, days, level).high < 0 for trial in noise]))


def test_a_lucky_challenger_does_not_pass():
    # Four standard errors of a share of .05 in 3,000 trials are .016.
    assert equal_models(0, 3_000, np.random.default_rng(0)) <= 0.05 + 0.016
    assert equal_models(0.3, 3_000, np.random.default_rng(1)) <= 0.065 + 0.016  # what the module's docstring says


def test_days_taken_for_independent_would_let_the_lucky_pass(monkeypatch):
    monkeypatch.setattr("helpers.disruption.retrain.BLOCK_DAYS", 1)
    assert equal_models(0.3, 3_000, np.random.default_rng(1)) > 0.09


def test_two_noisy_copies_of_the_truth_pass_at_the_stated_rate():
    rng = np.random.default_rng(2)
    passed = 0
    for seed in range(300):
        flights, truth = judged(seed=seed)
        old, new = (np.clip(truth + rng.normal(0, 0.1, 28).repeat(100), 0.01, 0.99) for _ in range(2))
        passed += decide(flights, old, new).passed
    assert passed / 300 <= 0.05 + 0.05  # four standard errors


def test_a_gain_that_one_group_pays_for_does_not_pass():
    flights, truth = judged()
    dull = np.full(len(flights), flights.disrupted.mean())
    hurt = np.where(flights.carrier == "DL", 1 - truth, truth)
    decision = decide(
        flights, np.where(flights.carrier == "DL", truth, dull), np.where(flights.carrier == "DL", hurt, truth)
    )
    assert not decision.tests["no group gets worse"]
    assert decision.worst.name == "DL"
    assert "Of the airports and carriers with 300 flights or more DL loses most" in decision.in_words()


def test_a_better_score_with_forecasts_far_too_high_does_not_pass():
    flights, truth = judged()
    coin = np.full(len(flights), flights.disrupted.mean())
    decision = decide(flights, coin, np.clip(truth + 0.07, 0, 1))
    assert decision.gain.high < 0
    assert [test for test, kept in decision.tests.items() if not kept] == ["as well calibrated"]


def test_a_slow_model_does_not_pass():
    flights, truth = judged()
    decision = decide(flights, np.full(len(flights), 0.3), truth, times=(2, 51))
    assert [test for test, kept in decision.tests.items() if not kept] == ["fast enough"]


def test_the_gate_refuses_to_judge_on_the_days_of_training():
    flights, truth = judged()
    rival = Rival("version 1", truth, 1)
    with pytest.raises(ValueError, match="judge it on later days only, not from 2013-05-01"):
        gate(AT, flights, rival, rival, (date(2013, 1, 1), date(2013, 5, 1)))


# Both together, on real flights


@pytest.fixture(scope="module")
def spring() -> pd.DataFrame:
    """The flights of January to May 2013; outcomes known twelve hours after the scheduled departure."""
    tables = load_tables()
    flights = tables.flights.query("month <= 5").reset_index(drop=True)
    day = pd.to_datetime(flights[["year", "month", "day"]])
    known_at = scheduled_departure(flights) + pd.Timedelta(hours=12)
    features = build_features(tables._replace(flights=flights))
    return features.assign(day=day, disrupted=disrupted(flights), known_at=known_at)


def champion_of(flights: pd.DataFrame, until: str) -> Champion:
    """A constant that was trained until some day."""
    past = flights[flights.day <= until]
    return Champion("version 1", train("base_rate", past[FEATURES], past.disrupted), date.fromisoformat(until))


def test_a_challenger_is_trained_on_the_past_and_beats_a_constant(spring):
    decision = challenge(AT, spring, champion_of(spring, "2013-03-31"), Recipe("version 2"))
    assert decision.passed
    assert (decision.trained_from, decision.trained_until) == (date(2013, 1, 1), date(2013, 5, 2))
    assert (decision.judged_from, decision.judged_until) == (date(2013, 5, 3), date(2013, 5, 30))
    assert decision.spread > 0 and decision.milliseconds.challenger > 0


def test_the_model_is_the_same_whatever_comes_after_the_moment(spring):
    recipe = Recipe("version 2", "base_rate", months=2)
    turned = spring.assign(disrupted=spring.disrupted.where(spring.known_at <= AT, ~spring.disrupted))
    first, second = (challenge(AT, one, champion_of(spring, "2013-03-31"), recipe) for one in (spring, turned))
    assert (first.brier, first.gain, first.trained_from) == (second.brier, second.gain, date(2013, 3, 3))


def test_a_champion_that_knows_the_gates_days_is_not_judged_on_them(spring):
    with pytest.raises(NotEnoughDays, match="version 1 was trained until 2013-05-04: wait for 28 later days"):
        challenge(AT, spring, champion_of(spring, "2013-05-04"), Recipe("version 2", "base_rate"))


# Does it do harm?


def false_stops(draw, trials: int = 4_000) -> float:
    """Share of the harmless canaries that are stopped; the spread is estimated from the 28 days of the gate."""
    stopped = 0
    for _ in range(trials):
        days = draw(28 + 14)
        stopped += watch(AT, ("a", "b"), days[28:], days[:28].std(ddof=1)).verdict == "stop"
    return stopped / trials


def test_a_harmless_canary_is_seldom_stopped_though_it_is_looked_at_daily():
    rng = np.random.default_rng(0)
    error = 4 * np.sqrt(0.05 * 0.95 / 4_000)
    assert false_stops(rng.standard_normal) <= 0.05 + error
    assert false_stops(lambda days: rng.standard_t(5, days)) <= 0.05 + error  # days with heavy tails


def test_looking_daily_at_a_test_made_for_one_look_stops_far_too_many():
    days = np.random.default_rng(0).standard_normal((4_000, 14))
    z = days.cumsum(axis=1) / np.sqrt(np.arange(1, 15))
    assert (z > 1.645).any(axis=1).mean() > 0.15


def test_the_evidence_is_a_fair_bet():
    # Under no harm the expected ratio is one, after any number of days: the heart of Ville's inequality.
    ratios = np.array([likelihood_ratios(days) for days in np.random.default_rng(0).standard_normal((40_000, 3))])
    assert ratios.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.03)


def test_a_bad_model_is_stopped_within_days_and_stays_stopped():
    rng = np.random.default_rng(0)
    days = rng.normal(0.05, 0.02, 14)  # a Brier score worse by .05, days that spread by .02
    first = next(count for count in range(1, 15) if watch(AT, ("a", "b"), days[:count], 0.02).verdict == "stop")
    assert first <= 4
    calm = [*days[:first], *[-0.5] * 5]
    assert watch(AT, ("a", "b"), calm, 0.02).days == first


def test_a_good_model_goes_on_and_then_stays():
    assert watch(AT, ("a", "b"), [], 0.02).verdict == "go on"
    assert watch(AT, ("a", "b"), [-0.01] * 13, 0.02).verdict == "go on"
    assert "b has served beside a for 1 day." in watch(AT, ("a", "b"), [-0.01], 0.02).in_words()
    kept = watch(AT, ("version 1", "version 2"), [-0.01] * 20, 0.02)
    assert (kept.verdict, kept.days) == ("keep", 14)
    assert kept.in_words().endswith("There is no proof of harm after 14 days: version 2 stays.")
    with pytest.raises(ValueError, match="two models that never differ need no canary"):
        watch(AT, ("a", "b"), [0.0], 0.0)


# In words, and kept


def example(gain_high: float) -> Decision:
    flights, truth = judged()
    decision = decide(flights, np.full(len(flights), flights.disrupted.mean()), truth)
    return Decision(**{**vars(decision), "gain": decision.gain._replace(value=-0.0078, high=gain_high)})


def test_a_decision_reads_as_one_paragraph_with_its_numbers():
    decision = example(-0.0041)
    words = decision.in_words()
    assert "\n" not in words
    assert words.startswith(
        "2013-06-01: version 2, trained on the flights of 2013-01-01 to 2013-04-30, was compared with "
    )
    assert "0.0078 better, and with 95% confidence at least 0.0041 better." in words
    assert words.endswith("It passes and may serve.")


def test_a_refusal_says_why():
    refused = example(0.0003)
    refused = Decision(**{**vars(refused), "slices": (Slice("DL", 900, Scores(0.10, 0.13)),)})
    assert refused.in_words().endswith(
        "It does not pass (not better beyond chance; not so: no group gets worse); the old one stays."
    )


def test_answers_are_kept_with_all_their_numbers(tmp_path):
    canary = watch(AT, ("version 1", "version 2"), [0.05, 0.04], 0.02)
    for answer in (example(-0.0041), canary):
        path = save(answer, tmp_path)
        before = path.read_bytes()
        assert answer.in_words().split(",")[0] in before.decode()
        assert load(path) == answer
        assert save(answer, tmp_path).read_bytes() == before
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".json"]


def test_a_file_that_holds_no_answer_is_refused(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="holds neither a decision nor a watch"):
        load(tmp_path / "other.json")
