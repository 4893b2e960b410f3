"""The monitor rings for planted faults, rings on quiet days as seldom as it says, and its numbers are the library's."""

import dataclasses
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib import rc_context
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score

from helpers.data import load_tables
from helpers.disruption import monitor as module
from helpers.disruption import monitor_counts as counts
from helpers.disruption import monitor_report
from helpers.disruption.features import OPERATIONS, SCHEDULE, WEATHER, build_features, disrupted
from helpers.disruption.messages import HORIZON
from helpers.disruption.monitor import Monitor, served_from_store, textbook_alarms
from helpers.disruption.stream import scheduled_departure
from helpers.metrics import cost_per_1000, expected_calibration_error, population_stability_index

FEATURES = [*SCHEDULE, *WEATHER, *OPERATIONS]
PROMTOOL = shutil.which("promtool")
THRESHOLD = 1 / 6  # where a false alarm costs 1 and a miss 5
METRES_PER_SECOND = 0.44704  # of a mile per hour
HELD_OUT, QUIET_WEEK = 2, 26  # weeks by their number modulo 3; a week in July


class Costs(NamedTuple):
    """Euros."""

    false_alarm: float = 1.0
    miss: float = 5.0


@pytest.fixture(scope="module")
def served() -> pd.DataFrame:
    """The year 2013 as if it had been served, by a model that learnt from every third week."""
    tables = load_tables(2013)
    features, truth = build_features(tables), disrupted(tables.flights)
    at = scheduled_departure(tables.flights) - HORIZON
    week = (counts.local_day(at) - pd.Timestamp("2013-01-01")).dt.days // 7
    learnt = week % 3 == 0
    model = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, min_samples_leaf=200, early_stopping=False, categorical_features="from_dtype"
    ).fit(features[learnt], truth[learnt])
    forecast = model.predict_proba(features)[:, 1]
    answers = {"probability": forecast, "flagged": forecast >= THRESHOLD, "disrupted": truth}
    latency = np.random.default_rng(0).lognormal(1, 0.4, len(at))
    keys = {"at": at, "flight_id": at.index.astype("str"), "model_version": "1", "milliseconds": latency}
    return features.assign(**keys, **answers, week=week)


@pytest.fixture(scope="module")
def reference(served: pd.DataFrame) -> pd.DataFrame:
    """119 days that the model did not learn from, spread over the year."""
    return served[served.week % 3 == 1]


@pytest.fixture(scope="module")
def monitor(reference: pd.DataFrame) -> Monitor:
    return Monitor.learn(reference, FEATURES, Costs(), rate=0.05, resamples=300)


@pytest.fixture(scope="module")
def held_out(served: pd.DataFrame, monitor: Monitor) -> counts.Days:
    """As many days again, from the weeks between: nothing has changed but chance."""
    rows = served[served.week % 3 == HELD_OUT]
    days = pd.DatetimeIndex(sorted(counts.local_day(rows["at"]).unique()))
    return counts.count_days(rows, None, monitor.layout, days)


@pytest.fixture
def week(served: pd.DataFrame) -> pd.DataFrame:
    return served[served.week == QUIET_WEEK]


@pytest.fixture(scope="module")
def july(served: pd.DataFrame) -> pd.DataFrame:
    return served[counts.local_day(served["at"]).between("2013-07-01", "2013-07-31")]


@pytest.fixture(scope="module")
def july_table(monitor: Monitor, july: pd.DataFrame) -> pd.DataFrame:
    """July judged as one window."""
    return monitor.judge(monitor.count(july), [31])


def learnt_anew(monitor: Monitor, **settings: Any) -> Monitor:
    """The monitor with other settings, of the same reference, which need not be counted again."""
    return dataclasses.replace(monitor, known={}, **settings)


def rings(table: pd.DataFrame, subject: str) -> set[str]:
    """The statistics of a subject that are out of their limits in any window."""
    return set(table[table.alarm & (table.subject == subject)].statistic)


def one(table: pd.DataFrame, subject: str, statistic: str) -> pd.Series:
    """The only row of a statistic."""
    (row,) = table[(table.subject == subject) & (table.statistic == statistic)].to_dict("records")
    return pd.Series(row)


# The statistics are those of the libraries


def test_the_counts_give_the_statistics_that_the_rows_give(july_table, july):
    truth, forecast = july.disrupted, july.probability
    expected = {
        "auc": roc_auc_score(truth, forecast),
        "brier": brier_score_loss(truth, forecast),
        "calibration_error": expected_calibration_error(truth, forecast, counts.CALIBRATION_BINS),
        "calibration_gap": forecast.mean() - truth.mean(),
        "cost_per_1000": cost_per_1000(truth, july.flagged, 1, 5),
    }
    for statistic, value in expected.items():
        tolerance = 5e-4 if statistic == "auc" else 1e-9  # scores in one of 250 cells are tied
        assert one(july_table, "all", statistic).value == pytest.approx(value, abs=tolerance), statistic


@pytest.mark.parametrize("name", ["temp", "precip", "visib", "carrier", "pressure", "distance"])
def test_the_psi_of_a_feature_is_that_of_the_metrics(july_table, reference, july, name):
    value = one(july_table, name, "psi").value
    assert value == pytest.approx(population_stability_index(reference[name], july[name]))


@pytest.mark.parametrize("name", ["temp", "precip", "pressure", "distance"])
def test_the_ks_distance_is_exact_to_a_cell(july_table, reference, july, name):
    value = one(july_table, name, "ks").value
    exact = ks_2samp(reference[name].dropna(), july[name].dropna(), method="asymp").statistic
    assert exact - 2 / counts.CELLS <= value <= exact + 1e-12


def test_a_slice_is_judged_by_its_own_rows(july_table, july):
    for subject, rows in {"origin=JFK": july.origin == "JFK", "hour=17": july.departure_minute // 60 == 17}.items():
        mine = july[rows]
        expected = brier_score_loss(mine.disrupted, mine.probability)
        assert one(july_table, subject, "brier").value == pytest.approx(expected)


def test_latency_quantiles_are_exact_to_a_cell(july_table, july):
    for statistic, q in counts.LATENCY_QUANTILES.items():
        exact = july.milliseconds.quantile(q)
        assert exact <= one(july_table, "requests", statistic).value <= 1.06 * exact


def test_a_resampled_window_is_made_of_runs_of_days():
    rng = np.random.default_rng(0)
    weeks = module.resample_days(90, 7, 7, 1000, rng)
    assert weeks.shape == (90, 90)  # each possible week once
    assert (weeks.sum(axis=1) == 7).all() and (weeks.sum(axis=0) == 7).all()
    months = module.resample_days(90, 30, 7, 1000, rng)
    assert months.shape == (1000, 90) and (months.sum(axis=1) == 30).all()
    assert months.mean(axis=0) == pytest.approx(np.full(90, 30 / 90), rel=0.2)


def test_an_upper_quantile_is_a_conformal_bound():
    null = pd.DataFrame({"x": np.arange(1.0, 100.0), "rare": [np.nan] * 96 + [1.0, 2.0, 3.0]})
    limit = module.upper_quantile(null, 0.05, independent=99)
    assert limit["x"] == 95  # of 100 exchangeable values five lie above the 95th
    assert limit["rare"] == np.inf  # three values cannot tell one in twenty
    assert module.upper_quantile(null, 0.05, independent=10)["x"] == 99  # nor can ten independent ones: the largest


def test_a_value_worked_out_in_another_way_lies_in_its_cell(monitor, week):
    numbers = week[FEATURES].select_dtypes("number")
    other = week.assign(**(numbers * (1 + 1e-12)))
    pd.testing.assert_frame_equal(monitor.check(other), monitor.check(week))


# Quiet days: the false-alarm rate is the one that was stated


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1])
def test_statistics_of_held_out_days_overstep_their_limits_at_the_stated_rate(monitor, held_out, rate):
    table = learnt_anew(monitor, rate=rate, family="each").judge(held_out, [1])
    limited = table[np.isfinite(table.low) | np.isfinite(table.high)]
    assert len(limited) > 0.95 * len(table)
    assert rate / 4 < limited.alarm.mean() < 1.2 * rate


def test_a_statistic_rings_for_any_subject_on_few_held_out_days(monitor, held_out):
    share = any_subject(monitor.judge(held_out, [1])).groupby(["group", "statistic"]).mean()
    # 119 days at 5 %: more than 15 alarms come once in 1,000 times.
    assert share.max() <= 15 / 119 and 0.01 < share.mean() < 0.06


@pytest.mark.parametrize("length", [7, 28])
def test_held_out_weeks_and_months_stay_within_the_stated_rate(monitor, held_out, length):
    windows = any_subject(monitor.judge(held_out, [length]))
    assert (windows.groupby(["group", "statistic"]).size() == 119 // length).all()
    assert windows.mean() <= 0.05


def any_subject(table: pd.DataFrame) -> pd.Series:
    """Whether a statistic rang for any of its subjects, by group, statistic and window."""
    return table.groupby(["group", "statistic", "start"]).alarm.any()


def test_days_drawn_singly_make_weeks_that_are_too_much_alike(held_out, monitor):
    weeks = np.repeat(np.eye(17), 7, axis=1)  # 119 held-out days
    found = monitor.values(held_out, weeks)["input"]
    beyond = {}
    for block in (1, 7):
        other = learnt_anew(monitor, block=block)
        limit = other.null(other.quiet_windows(7))["input"].quantile(0.95)
        beyond[block] = (found > limit).xs("psi", axis="columns", level="statistic").to_numpy().mean()
    assert beyond[1] > 0.1 > 0.08 > beyond[7]


def test_the_textbook_calls_a_quiet_month_drifted(monitor, served):
    quiet = served[(served.week % 3 == HELD_OUT) & served.week.between(20, 31)]
    textbook = textbook_alarms(monitor, quiet)
    numbers = textbook.ks.notna()
    assert textbook.ks_alarm[numbers].mean() > 0.8
    assert textbook.psi_alarm.sum() >= 2


# Planted faults: each raises the alarm that it should


@pytest.fixture(scope="module")
def quiet(monitor: Monitor, served: pd.DataFrame) -> set[str]:
    """The subjects that ring in the week before any fault is planted: chance, and seldom."""
    table = monitor.check(served[served.week == QUIET_WEEK])
    assert set(table.days) == {1, 7} and set(table.group) == {"service", "input", "prediction", "outcome", "slice"}
    assert any_subject(table).mean() < 0.05
    assert not table.alarm[table.group != "slice"].any()
    return set(table[table.alarm].subject)


def test_quiet_months_ring_at_most_at_the_default_rate(monitor, held_out):
    """Four months, each judged as one window: one of their 100 statistics is out of its limits, for one subject."""
    table = learnt_anew(monitor, rate=Monitor.rate).judge(held_out, [28])
    assert table.start.nunique() == 4
    assert any_subject(table).mean() <= 0.02 and table.alarm.sum() <= 2


def test_wind_in_metres_per_second(monitor, week, quiet):
    metric = week.assign(**{name: week[name] * METRES_PER_SECOND for name in ("wind_speed", "wind_gust")})
    table = monitor.check(metric)
    assert "psi" in rings(table, "wind_speed")
    assert set(table[table.alarm].subject) - quiet <= {"wind_speed", "wind_gust"}


def test_a_weather_feed_that_repeats_its_last_word(monitor, week, quiet):
    first = week.sort_values("at").groupby("origin", observed=True)[list(WEATHER)].first()
    stale = week.assign(**{name: week.origin.map(first[name]).astype("float64") for name in WEATHER})
    table = monitor.check(stale)
    assert len(set(table[table.alarm].subject) & set(WEATHER)) >= 3
    assert set(table[table.alarm].subject) - quiet <= set(WEATHER)


def test_a_weather_feed_that_stopped(monitor, week):
    table = monitor.check(week.assign(**dict.fromkeys(WEATHER, np.nan)))
    silent = [name for name in WEATHER if "missing_share" in rings(table, name)]
    assert len(silent) >= 9
    temp = table[(table.subject == "temp") & (table.statistic == "missing_share")]
    assert temp.alarm.all(), "each day rings, without waiting for the week"


def test_rows_that_a_join_doubled(monitor, week):
    table = monitor.check(pd.concat([week, week]))
    assert rings(table, "requests") >= {"repeated_share", "volume"}
    assert one(table[table.days == 7], "requests", "repeated_share").value == 0.5


@pytest.mark.parametrize("name", ["pressure", "origin", "departure_minute"])
def test_a_column_that_is_gone(monitor, week, name):
    assert "missing_share" in rings(monitor.check(week.drop(columns=name)), name)


def test_a_day_without_a_request(monitor, week):
    day = counts.local_day(week["at"])
    table = monitor.check(week[day != day.unique()[3]])
    silent = table[(table.start == day.unique()[3]) & (table.days == 1)]
    assert rings(silent, "requests") == {"volume"}


def test_refused_and_slow_requests(monitor, week):
    slow = week.assign(milliseconds=week.milliseconds * 4)
    table = monitor.check(slow, refused=week["at"].iloc[:50])
    assert rings(table, "requests") == {"refused_share", *counts.LATENCY_QUANTILES}


def test_of_refusals_that_nobody_noted_nothing_is_said(monitor, week):
    said = monitor.check(week)
    assert "refused_share" not in set(said.statistic)
    none = monitor.check(week, refused=week["at"].iloc[:0])
    assert (none[none.statistic == "refused_share"].value == 0).all()
    pd.testing.assert_frame_equal(none[none.statistic != "refused_share"].reset_index(drop=True), said)


def test_refusals_on_days_that_the_reference_leaves_out_do_not_count(reference, monitor):
    everywhere = pd.Series(pd.date_range("2012-12-01", "2014-01-31", tz="UTC"))
    learnt = Monitor.learn(reference, FEATURES, Costs(), refused=everywhere, rate=0.05)
    assert learnt.reference.counts["refused", ""].sum() == len(learnt.reference.days) == len(monitor.reference.days)


def test_a_bad_model(monitor, week):
    forecast = week.probability.sample(frac=1, random_state=0).to_numpy()
    table = monitor.check(week.assign(probability=forecast, flagged=forecast >= THRESHOLD))
    assert "auc" in rings(table, "all")


def test_outcomes_that_come_late_are_not_judged_before_they_are_in(monitor, week):
    late = week.assign(disrupted=week.disrupted.astype("object").where(np.arange(len(week)) % 2 == 0, None))
    table = monitor.check(late)
    assert rings(table, "all") == {"outcome_known_share"}
    assert set(table[table.group == "outcome"].statistic) == {"outcome_known_share"}


# Bad input gets one line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.drop(columns=["probability", "at"]), "lack at, probability"),
        (lambda rows: rows[:0], "no predictions"),
        (lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), "time zone"),
        (lambda rows: rows.assign(probability=1.5), "from 0 to 1"),
    ],
)
def test_a_frame_that_cannot_be_judged_is_refused(monitor, week, change, says):
    with pytest.raises(ValueError, match=says) as refused:
        monitor.check(change(week))
    assert "\n" not in str(refused.value)


def test_a_rate_that_the_days_cannot_hold_is_refused(monitor):
    with pytest.raises(ValueError, match=r"120 days .* take a rate from 0\.008"):
        learnt_anew(monitor, rate=0.001)


def test_windows_that_the_days_cannot_judge_are_refused(monitor, week):
    with pytest.raises(ValueError, match="windows of 1 to 60 days, not of 61"):
        monitor.limits(61)
    with pytest.raises(ValueError, match="7 days fill none"):
        monitor.check(week, lengths=[28])


def test_the_slices_need_their_columns(reference):
    with pytest.raises(ValueError, match="the features lack carrier"):
        Monitor.learn(reference, ["origin", "departure_minute"], Costs())


# What it hands on


def test_the_frame_of_the_store_can_be_read(monitor, week):
    plain = json.loads(week[FEATURES].to_json(orient="records"))  # a missing number is null
    scored = week[[*module.SERVED, "origin"]].assign(features=plain, kind="arrived")
    pd.testing.assert_frame_equal(monitor.check(served_from_store(scored)), monitor.check(week))


def test_the_report_needs_no_network_and_names_the_alarms(monitor, week):
    page = monitor_report.report(monitor, week.assign(model_version="<7>").drop(columns="pressure"))
    assert page.count('src="data:image/svg+xml;base64,') == page.count("<img") == 7
    assert not re.search(r"(?:src|href)=\"(?!data:)|<script|@import|url\(", page)
    assert "&lt;7&gt;" in page and "$" not in re.sub(r"base64,[^\"]*", "", page)
    assert "missing_share" in page and "02 July 2013 to 08 July 2013" in page


def test_the_margins_of_a_chart_do_not_depend_on_the_style_of_the_caller():
    def place() -> tuple[float, ...]:
        figure, axes = monitor_report.canvas("finding", "x", "y")
        figure.draw_without_rendering()
        return axes.get_position().bounds

    plain = place()
    with rc_context({"figure.constrained_layout.use": True}):
        assert place() == plain


def test_the_worst_alarm_stands_first(monitor, week):
    table = monitor_report.alarm_table(monitor.check(pd.concat([week, week])))
    assert table.statistic.iloc[0] == "repeated_share"
    assert table.windows.iloc[0] == 7
    assert not table.duplicated(["days", "group", "subject", "statistic"]).any()


@pytest.fixture
def exposition(monitor: Monitor, week: pd.DataFrame) -> str:
    return monitor_report.exposition(monitor.check(week), pd.Timestamp("2013-07-09", tz="UTC"))


def names(text: str) -> set[str]:
    """The names of the monitor's series in a text."""
    return set(re.findall(r"\bmle_monitor_\w+", text))


def test_the_gauges_hold_the_last_window_of_each_length(monitor, week, exposition):
    labels = 'days="7",group="service",statistic="volume",subject="requests"'
    value = one(monitor.check(week, lengths=[7]), "requests", "volume")
    for name in ("value", "low", "high"):
        assert f"mle_monitor_{name}{{{labels}}} {value[name]}" in exposition
    assert "mle_monitor_checked_timestamp_seconds 1.3733" in exposition
    assert "Inf" not in exposition and "NaN" not in exposition


def test_rules_and_dashboard_ask_for_series_that_there_are(exposition):
    there = names(exposition)
    assert names(monitor_report.dashboard()) <= there
    assert names(monitor_report.alert_rules()) - {"mle_monitor"} <= there


def test_each_alert_says_what_to_do():
    rules = yaml.safe_load(monitor_report.alert_rules())["groups"][0]["rules"]
    alerts = [rule for rule in rules if "alert" in rule]
    assert {rule["labels"]["severity"] for rule in alerts} == {"page", "ticket"}
    assert all(rule["annotations"]["summary"] and rule["annotations"]["action"] for rule in alerts)


def test_the_dashboard_is_one_that_grafana_can_lay_out(exposition):
    board = json.loads(monitor_report.dashboard())
    panels, variables = board["panels"], {one["name"] for one in board["templating"]["list"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(x, y) for panel in panels for x, y in squares(panel["gridPos"])]
    assert len(set(places)) == len(places) and max(x for x, _ in places) < 24
    assert set(re.findall(r"\$\{?(\w+)", monitor_report.dashboard())) == variables
    statistics = set(re.findall(r'statistic="(\w+)"', exposition))
    for asked in re.findall(r'statistic=~?\\"([^"\\]+)\\"', monitor_report.dashboard()):
        assert any(re.fullmatch(asked, statistic) for statistic in statistics), asked


def squares(place: dict[str, int]) -> list[tuple[int, int]]:
    """The squares of the grid that a panel covers."""
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def promtool(*arguments: str | Path, text: str | None = None) -> str:
    """Run promtool; what it says."""
    done = subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on this machine (Debian's package prometheus has it)")
def test_promtool_accepts_the_rules_and_the_gauges(exposition):
    assert "SUCCESS: 7 rules found" in promtool("check", "rules", monitor_report.RULES)
    assert promtool("check", "metrics", text=exposition) == ""


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on this machine (Debian's package prometheus has it)")
def test_an_alert_fires_in_prometheus_when_a_value_is_out_of_its_limits(tmp_path):
    def series(name: str, group: str, subject: str, value: float) -> dict[str, str]:
        labels = f'days="1",group="{group}",subject="{subject}",statistic="x"'
        return {"series": f"mle_monitor_{name}{{{labels}}}", "values": f"{value}x20"}

    given = [series("value", "input", "temp", 3), series("high", "input", "temp", 2)]
    given += [series("value", "service", "requests", 1), series("low", "service", "requests", 2)]
    given += [series("value", "outcome", "all", 1), series("high", "outcome", "all", 2)]
    given.append({"series": "mle_monitor_checked_timestamp_seconds", "values": "0x20"})
    expected = {"InputsOutOfLimits": 1, "ServiceOutOfLimits": 1, "OutcomesOutOfLimits": 0, "MonitorSilent": 0}
    query = [
        {
            "eval_time": "10m",
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
            "exp_samples": [{"labels": "{}", "value": count}],
        }
        for name, count in expected.items()
    ]
    case = {"interval": "1m", "input_series": given, "promql_expr_test": query}
    file = tmp_path / "case.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(monitor_report.RULES)], "tests": [case]}), "utf-8")
    assert "SUCCESS" in promtool("test", "rules", file)


def test_a_month_is_judged_quickly(monitor, july):
    """About 0.1 s for 28,000 predictions and 29 features; the limit leaves room for a slow machine."""
    monitor.check(july, lengths=[31])  # the limits are worked out once
    start = time.process_time()
    monitor.check(july, lengths=[31])
    assert time.process_time() - start < 1
