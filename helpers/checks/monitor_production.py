"""Checks of lesson 61's exercises: reading a scrape, PSI, a watch that waits, an alarm limit, a rule, a CUSUM."""

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, type_name
from helpers.metrics import psi_of_counts

# 61.1

LABELS = ("days", "group", "subject", "statistic")
SUBJECTS = ("temp", "carrier=UA", "wind, gusting", "hour=17", "requests", "rain {3 h}")


@check("61.1")
def check_firing(firing, rng: Generator) -> None:
    """Let series stay out of their limits, come back, vanish, and carry labels that are hard to read."""
    for subject in SUBJECTS:
        found = _fired(firing, _pages([{(subject,): (3.0, None, 2.0)}] * 3, rng, [0, 60, 120]), 60)
        assert found == {_labels((subject,))}, (
            f"The series of {subject!r} is out of its limits all the time, and fires as {sorted(found)}. The labels of "
            f"a line may come in any order, and their values may hold commas, braces and blanks."
        )
    _assert_fires(firing, [{("a",): (3.0, None, 2.0)}] * 6, 300, "A value above its limit for the whole time")
    _assert_fires(firing, [{("a",): (1.0, 2.0, None)}] * 6, 300, "A value below its lower limit for the whole time")
    _assert_silent(firing, [{("a",): (2.0, 2.0, 2.0)}] * 6, 300, "A value at its limits: only beyond them rings")
    _assert_silent(firing, [{("a",): (-5.0, None, None)}] * 6, 300, "A series without limits")
    late = [{("a",): (1.0, None, 2.0)}] + [{("a",): (3.0, None, 2.0)}] * 5
    _assert_silent(firing, late, 300, "A value that is out of its limits for 240 of the 300 seconds")
    broken = [{("a",): (3.0, None, 2.0)}] * 3 + [{("a",): (1.0, None, 2.0)}] + [{("a",): (3.0, None, 2.0)}] * 3
    _assert_silent(firing, broken, 300, "A value that came back within its limits for one scrape")
    gone = [{("a",): (3.0, None, 2.0)}] * 3 + [{}] + [{("a",): (3.0, None, 2.0)}] * 3
    _assert_silent(firing, gone, 300, "A series that was missing from one scrape")
    over = [{("a",): (3.0, None, 2.0)}] * 8 + [{}]
    _assert_silent(firing, over, 60, "A series that is missing from the last scrape")
    _assert_fires(firing, [{("a",): (0.5, None, 2e-05)}] * 2, 60, "A limit that is written 2e-05")
    quick = [{("a",): (1.0, None, 2.0)}] + [{("a",): (3.0, None, 2.0)}] * 4
    _assert_silent(firing, quick, 120, "A value that is out of its limits for 45 s, in four scrapes,", step=15)
    _assert_fires(firing, quick, 300, "A value that is out of its limits for 390 s, in four scrapes,", step=130)
    for _ in range(30):
        _assert_random_scrapes(firing, rng)


def _assert_random_scrapes(firing, rng: Generator) -> None:
    """Several series over several scrapes, with limits that come and go."""
    keys = [(name, number) for name in SUBJECTS for number in ("1", "7")]
    scrapes = []
    for _ in range(int(rng.integers(3, 9))):
        values = {key: round(float(rng.normal(2.6, 1)), 3) for key in keys if rng.random() < 0.95}
        limits = {key: (0.5 if rng.random() < 0.7 else None, 2.0 if rng.random() < 0.95 else None) for key in values}
        scrapes.append({key: (values[key], *limits[key]) for key in values})
    pages = _pages(scrapes, rng, list(np.cumsum(rng.integers(15, 131, len(scrapes)))))
    # Half of the times a page stands at the very second from which the alert must have held.
    since = pages[int(rng.integers(len(pages)))][0]
    hold = pages[-1][0] - since if rng.random() < 0.5 else float(rng.integers(0, 300))
    expected = _firing(scrapes, pages, hold)
    found = _fired(firing, pages, hold)
    assert not found - expected, (
        f"{_words(found - expected)} should be silent with hold = {hold:.0f} s: it has not been out of its limits in "
        f"every scrape back to one that is so old. Scrapes come at unequal steps, the lines of one series may give its "
        f"labels in another order, and a limit may be missing in one scrape."
    )
    assert not expected - found, (
        f"{_words(expected - found)} should fire with hold = {hold:.0f} s: it has been out of its limits in every "
        f"scrape back to one that is so old. Scrapes come at unequal steps."
    )


def _firing(scrapes: list[dict], pages: list[tuple[float, str]], hold: float) -> set[tuple[str, ...]]:
    """The slow way: walk back from the last scrape, for each series."""
    firing = set()
    for key in scrapes[-1]:
        since = None
        for (second, _), scrape in zip(reversed(pages), reversed(scrapes), strict=True):
            if key not in scrape or not _is_out(*scrape[key]):
                break
            since = second
        if since is not None and pages[-1][0] - since >= hold:
            firing.add(_labels(key))
    return firing


def _is_out(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def _labels(key: tuple[str, ...]) -> tuple[str, ...]:
    """The four labels of a series of the check."""
    return (key[1] if len(key) > 1 else "1", "input", key[0], "psi")


def _pages(scrapes: list[dict], rng: Generator, seconds: list[int]) -> list[tuple[float, str]]:
    """The scrapes as Prometheus would read them at these seconds."""
    return [(float(second), _page(scrape, rng)) for second, scrape in zip(seconds, scrapes, strict=True)]


def _page(scrape: dict, rng: Generator) -> str:
    lines = ["mle_requests_total 17.0", "mle_monitor_checked_timestamp_seconds 1.37e+09"]
    for key, numbers in scrape.items():
        for name, number in zip(("value", "low", "high"), numbers, strict=True):
            if number is not None:
                lines.append(f"mle_monitor_{name}{{{_written(_labels(key), rng)}}} {number}")
    rng.shuffle(lines)
    return "\n".join(["# HELP mle_monitor_value A statistic.", "# TYPE mle_monitor_value gauge", *lines, ""])


def _written(labels: tuple[str, ...], rng: Generator) -> str:
    """The labels as they stand between the braces, in any order."""
    pairs = [f'{name}="{value}"' for name, value in zip(LABELS, labels, strict=True)]
    rng.shuffle(pairs)
    return ",".join(pairs)


def _fired(firing, pages: list[tuple[float, str]], hold: float) -> set[tuple[str, ...]]:
    found = firing([*pages], hold)
    assert isinstance(found, set | frozenset | list | tuple), (
        f"Return the set of the series that fire: this is {type_name(found)}."
    )
    wrong = [one for one in found if not isinstance(one, tuple) or len(one) != len(LABELS)]
    assert not wrong, f"A series is named by the tuple (days, group, subject, statistic): this is {wrong[:1]}."
    return {tuple(map(str, one)) for one in found}


def _assert_fires(firing, scrapes: list[dict], hold: float, what: str, step: int = 60) -> None:
    assert _fired_at_equal_steps(firing, scrapes, hold, step), (
        f"{what} does not fire, with hold = {hold} s and a scrape every {step} s."
    )


def _assert_silent(firing, scrapes: list[dict], hold: float, what: str, step: int = 60) -> None:
    assert not _fired_at_equal_steps(firing, scrapes, hold, step), (
        f"{what} fires, with hold = {hold} s and a scrape every {step} s. It should not."
    )


def _fired_at_equal_steps(firing, scrapes: list[dict], hold: float, step: int) -> set[tuple[str, ...]]:
    seconds = list(range(0, step * len(scrapes), step))
    return _fired(firing, _pages(scrapes, np.random.default_rng(0), seconds), hold)


def _words(series: set[tuple[str, ...]]) -> str:
    return " ".join(sorted(series)[0])


# 61.2


@check("61.2")
def check_psi(psi, rng: Generator) -> None:
    """Compare with counts made value by value, on gaps, ties, empty bins and values that the reference never had."""
    for bins in (10, 5):
        reference, current = rng.normal(0, 1, 800), rng.normal(0.3, 1.2, 500)
        gaps = np.where(rng.random(500) < 0.2, np.nan, current)
        _assert_psi(psi, reference, gaps, bins, "A window with missing values, which have a bin of their own")
        _assert_psi(psi, reference, current, bins, "Two samples without ties and gaps")
        _assert_psi(psi, reference, reference, bins, "A sample compared with itself")
        wide = np.append(current, [50.0, -50.0])
        _assert_psi(psi, reference, wide, bins, "Values beyond the reference's lowest and highest")
        _assert_psi(psi, reference, np.full(40, 9.0), bins, "A window in which all values fall into one bin")
        holes = np.where(rng.random(800) < 0.1, np.nan, reference)
        _assert_psi(psi, holes, current, bins, "A reference with missing values")
        rain = np.where(rng.random(800) < 0.93, 0.0, rng.gamma(1, 0.1, 800).round(2))
        _assert_psi(psi, rain, np.where(rng.random(300) < 0.6, 0.0, 0.1), bins, "Rain, which is nearly always zero")
        steps = rng.integers(0, 4, 800).astype(float)
        _assert_psi(psi, steps, rng.integers(1, 6, 300).astype(float), bins, "A feature that has few different values")


def _assert_psi(psi, reference: np.ndarray, current: np.ndarray, bins: int, what: str) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = psi(reference.copy(), current.copy(), bins)
    assert np.ndim(value) == 0 and value is not None, f"The PSI is one number: this is {type_name(value)}."
    value = float(value)
    assert np.isfinite(value), f"{what}: the PSI is {value}. An empty bin has no logarithm; lend it half a row."
    expected = float(_psi(reference, current, bins))
    if abs(value - expected) < 1e-9:
        return
    seen = f"{what}: your PSI is {value:.4f}, and it should be {'lower' if value > expected else 'higher'}."
    for slip, words in _slips(reference, current, bins).items():
        assert abs(value - slip) > 1e-9, f"{seen} {words}"
    raise AssertionError(
        f"{seen} Check the edges (quantiles of the reference without its missing values, method='lower', equal ones "
        f"once), the bin for missing values, and the half row that each bin is lent in both samples."
    )


def _psi(reference: np.ndarray, current: np.ndarray, bins: int) -> float:
    edges = _edges(reference, bins)
    return psi_of_counts(_bin_counts(reference, edges), _bin_counts(current, edges))


def _edges(values: np.ndarray, bins: int) -> list[float]:
    known = values[~np.isnan(values)]
    return sorted({float(np.quantile(known, number / bins, method="lower")) for number in range(1, bins)})


def _bin_counts(values: np.ndarray, edges: list[float]) -> list[int]:
    """One bin up to each edge (included), one beyond the last, one for the missing."""
    counts = [0] * (len(edges) + 2)
    for value in values:
        counts[-1 if np.isnan(value) else sum(value > edge for edge in edges)] += 1
    return counts


def _slips(reference: np.ndarray, current: np.ndarray, bins: int) -> dict[float, str]:
    """What the common mistakes would have given, and what to say to each."""
    edges = _edges(reference, bins)
    mine, theirs = (np.array(_bin_counts(values, edges)) for values in (reference, current))
    known = current[~np.isnan(current)]
    gone = mine[-1] + theirs[-1] > 0
    slips = {
        float(psi_of_counts(mine[:-1], theirs[:-1])): "Missing values are left out: a feed that stops would not show."
        if gone
        else "The bin for missing values is there also when none is missing, and half a row is lent to it.",
        float(psi_of_counts(mine, theirs) / np.log(2)): "The logarithm is the natural one, not that of base 2.",
    }
    if len(known):
        other = _edges(known, bins)
        slips[float(psi_of_counts(_bin_counts(reference, other), _bin_counts(current, other)))] = (
            "The bins come from the current window: each window would be measured with another ruler."
        )
    p, q = mine / mine.sum(), theirs / theirs.sum()
    for least in (1e-6, 1e-4, 1e-3):
        low, high = np.maximum(p, least), np.maximum(q, least)
        slips[float(((high - low) * np.log(high / low)).sum())] = (
            f"An empty bin gets the share {least:g} whatever the number of rows, and the PSI hangs on that "
            f"choice: lend half a row."
        )
    return slips


# 61.3


@check("61.3")
def check_watch(watch, rng: Generator) -> None:
    """Ask on many nights, with outcomes that are still to come; first on one when only the good news is in."""
    early = _good_news_first(rng)
    tonight = (early.day.max() + pd.Timedelta(hours=24)).tz_localize("UTC")
    reference = pd.Series(rng.normal(0, 0.04, 80))
    _assert_watch(watch, early, reference, tonight, 0.05)
    _assert_watch(watch, *_one_flight_out(), 0.05)
    declining = _slow_decline(rng)
    _assert_watch(watch, declining, reference, declining.known_at.max(), 0.05)
    at_the_limit = declining[:4].assign(probability=0.875, disrupted=[True, True, False, False])
    quiet = pd.Series([-0.25, -0.125, 0.0, 0.125, 0.375])
    _assert_watch(watch, at_the_limit, quiet, declining.known_at.max(), 0.2)
    skewed = pd.Series([-0.125, 0.0, 0.0, 0.0, 0.875])
    _assert_watch(watch, at_the_limit.assign(probability=0.6875), skewed, declining.known_at.max(), 0.4)
    for number in range(3):
        flights, reference = _flights(rng), pd.Series(rng.normal(0.01, 0.04, int(rng.integers(60, 120))))
        midnights = pd.date_range("2013-04-10", periods=12, freq="3D", tz="UTC")
        for tonight in midnights[number::3]:
            _assert_watch(watch, flights, reference, tonight, float(rng.choice([0.05, 0.1, 0.2])))


def _good_news_first(rng: Generator) -> pd.DataFrame:
    """Fifteen days of good forecasts; a day's disrupted flights are known two days later, the others in the evening."""
    day = pd.date_range("2013-06-01", periods=15).repeat(60)
    disrupted = np.tile(np.arange(60) < 20, 15)
    known_at = (day + pd.to_timedelta(np.where(disrupted, 48, 20), unit="h")).tz_localize("UTC")
    probability = rng.uniform(0.32, 0.345, len(day))
    return pd.DataFrame({"day": day, "probability": probability, "disrupted": disrupted, "known_at": known_at})


def _one_flight_out() -> tuple[pd.DataFrame, pd.Series, pd.Timestamp]:
    """A day of 60 flights with forecasts far too low; one of its outcomes comes an hour after tonight."""
    day, tonight = pd.Timestamp("2013-06-01"), pd.Timestamp("2013-06-02 20:00", tz="UTC")
    known_at = [tonight - pd.Timedelta(hours=5)] * 59 + [tonight + pd.Timedelta(hours=1)]
    flights = pd.DataFrame({"day": day, "probability": 0.25, "disrupted": np.arange(60) < 45, "known_at": known_at})
    return flights, pd.Series(np.linspace(-0.1, 0.1, 41)), tonight


def _slow_decline(rng: Generator) -> pd.DataFrame:
    """Forty days on which the forecasts are a little more too high than on the day before."""
    day = pd.date_range("2013-06-01", periods=40).repeat(60)
    probability = 0.3 + np.linspace(0, 0.3, 40).repeat(60) + rng.normal(0, 0.01, len(day))
    known_at = (day + pd.Timedelta(hours=20)).tz_localize("UTC")
    disrupted = np.tile(np.arange(60) < 18, 40)
    return pd.DataFrame({"day": day, "probability": probability, "disrupted": disrupted, "known_at": known_at})


def _flights(rng: Generator) -> pd.DataFrame:
    """Forty days of flights; on some the forecasts are off, and some outcomes take days to come."""
    days = pd.date_range("2013-04-01", periods=40)
    day = days.repeat(rng.integers(25, 60, len(days)))
    shift = pd.Series(rng.normal(0, 0.08, len(days)), days) + np.linspace(0, 0.15, len(days))
    probability = rng.uniform(0.05, 0.6, len(day))
    disrupted = rng.random(len(day)) < np.clip(probability - shift[day].to_numpy(), 0, 1)
    # Good news comes first: what is known early is not like what is known late.
    hours = np.where(disrupted, rng.uniform(20, 70, len(day)), rng.uniform(18, 40, len(day)))
    known_at = (day + pd.to_timedelta(hours, unit="h")).tz_localize("UTC").round("s")
    flights = pd.DataFrame({"day": day, "probability": probability, "disrupted": disrupted, "known_at": known_at})
    return flights.sample(frac=1, random_state=rng).reset_index(drop=True)


def _assert_watch(watch, flights: pd.DataFrame, reference: pd.Series, tonight: pd.Timestamp, rate: float) -> None:
    found = watch(flights.copy(), reference.copy(), tonight, rate)
    assert isinstance(found, list | tuple | set | pd.Index | np.ndarray | pd.Series), (
        f"Return the days that ring as a list: this is {type_name(found)}."
    )
    rang = {pd.Timestamp(day) for day in found}
    by_day = {day: mine for day, mine in flights.groupby("day")}
    judged = {day for day, mine in by_day.items() if mine.known_at.max() <= tonight}
    early = rang - judged
    assert not early, (
        f"{min(early):%d %B} rings at {tonight:%d %B %H:%M}, when not all of its outcomes are known: what is known "
        f"early is not like what comes late. Judge only days whose outcomes are all in."
    )
    limit, centre = _limit(reference, rate), float(np.median(reference))
    gap = {day: mine.probability.mean() - mine.disrupted.mean() for day, mine in by_day.items()}
    expected = {day for day in judged if abs(gap[day] - centre) > limit}
    falsely, missed = rang - expected, expected - rang
    assert not missed or any(by_day[day].known_at.max() < tonight for day in missed), (
        f"{min(missed):%d %B} is silent: its last outcome is known at {tonight:%d %B %H:%M}, which is tonight, and "
        f"what is known at that very moment counts."
    )
    assert not falsely, (
        f"{min(falsely):%d %B} rings, though its gap of {gap[min(falsely)]:+.3f} is no further from the reference's "
        f"median than the limit at a rate of {rate} allows: take the limit from the reference's days, not from rows."
    )
    assert not missed, (
        f"{min(missed):%d %B} is complete and silent with a gap of {gap[min(missed)]:+.3f}: it is further from the "
        f"reference's median than the limit at a rate of {rate}. The reference stays; it must not drift along."
    )


def _limit(reference: pd.Series, rate: float) -> float:
    strayed = sorted(abs(gap - float(np.median(reference))) for gap in reference)
    return strayed[min(int(np.ceil((len(strayed) + 1) * (1 - rate))), len(strayed)) - 1]


# 61.4


@check("61.4")
def check_alarm_limit(alarm_limit, rng: Generator) -> None:
    """Count how often fresh windows ring, with days that remember the day before and days that do not."""
    for length, rate, memory in ((7, 0.1, 0.7), (1, 0.1, 0.0), (5, 0.2, 0.5)):
        _assert_rate(alarm_limit, length, rate, memory, rng)


def _assert_rate(alarm_limit, length: int, rate: float, memory: float, rng: Generator) -> None:
    """Learn from some years, and count how often windows of other years of the same kind ring."""
    rang = []
    for _ in range(10):
        days = _quiet_days(480, memory, rng)
        limit = alarm_limit([day.copy() for day in days], length, rate)
        assert np.ndim(limit) == 0 and limit is not None, f"The limit is one number: this is {type_name(limit)}."
        limit = float(limit)
        assert np.isfinite(limit) and limit >= 0, f"The limit is {limit}: give a distance, which is zero or more."
        usual = np.concatenate(days).mean()
        fresh = _quiet_days(1000, memory, rng)
        windows = [np.concatenate(fresh[start : start + length]) for start in range(0, 1000 - length, length)]
        rang.append(np.mean([abs(window.mean() - usual) > limit for window in windows]))
    reached = float(np.mean(rang))
    asked = f"windows of {length} day{'s' if length > 1 else ''} at a stated rate of {rate}"
    assert reached < 0.7, (
        f"{reached:.0%} of fresh quiet windows ring, {asked}: flights of one day are not independent. "
        f"Draw days, not rows."
    )
    assert reached < 1.8 * rate, (
        f"{reached:.0%} of fresh quiet windows ring, {asked}. Days that follow each other are alike: draw runs of "
        f"consecutive days, as long as the window, and count both sides."
    )
    assert reached > 0.75 * rate, (
        f"Only {reached:.1%} of fresh quiet windows ring, {asked}: the limit is too wide, and faults will hide "
        f"below it. Did you halve the rate for two sides? The distance has no sign."
    )


def _quiet_days(number: int, memory: float, rng: Generator) -> list[np.ndarray]:
    """Days of 20 to 60 values around a level of the day, which remembers the level of the day before."""
    level, levels = rng.normal(), []
    for _ in range(number):
        level = memory * level + np.sqrt(1 - memory**2) * rng.normal()
        levels.append(level)
    return [10 + 3 * level + rng.normal(0, 4, int(rng.integers(20, 60))) for level in levels]


# 61.5

SIGNALS = ("rows refused", "wind psi", "forecast mean", "cost", "auc fall", "missing share")
LONGEST_RUN = 3


@check("61.5")
def check_choose_rule(choose_rule, rng: Generator) -> None:
    """Plant faults that one signal shows at once, others late or never, on quiet days with storms."""
    _assert_rule(choose_rule, *_spikes(rng), 2)
    for within in (3, 5):
        quiet, faults = _quiet_table(rng, 250), _fault_tables(rng, within, 25)
        signal, limit, days = _assert_rule(choose_rule, quiet, faults, within)
        later = _fault_tables(rng, within, 200)
        caught = np.mean([_rings(fault[signal][:within], limit, days).any() for fault in later])
        assert caught > 0.75, f"Of 200 later faults your rule catches only {caught:.0%} within {within} days."


def _assert_rule(choose_rule, quiet: pd.DataFrame, faults: list[pd.DataFrame], within: int) -> tuple[str, float, int]:
    """The rule that was chosen, after it has caught all faults with as few false alarms as any."""
    rule = choose_rule(quiet.copy(), [fault.copy() for fault in faults], within)
    signal, limit, days = _read_rule(rule)
    missed = sum(not _rings(fault[signal][:within], limit, days).any() for fault in faults)
    assert not missed, (
        f"Your rule ({signal} at {limit:.3g}, {days} in a row) misses {missed} of {len(faults)} faults within "
        f"{within} days: a rule must catch all that have happened, each in time."
    )
    false, least = int(_rings(quiet[signal], limit, days).sum()), _fewest(quiet, faults, within)
    assert false <= least, (
        f"Your rule ({signal} at {limit:.3g}, {days} in a row) rings on {false} quiet days; there is one that "
        f"rings on fewer and misses no fault. Try every signal with runs of 1 to {LONGEST_RUN}, "
        f"each at its highest limit that still catches all."
    )
    return signal, limit, days


def _spikes(rng: Generator) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Quiet days, and faults that two signals show alike, on one day only."""
    quiet = pd.Series(rng.uniform(0, 3, 60))
    spikes = [pd.Series(rng.permutation([5.0, 0.0])) for _ in range(6)]
    quiet, *faults = (pd.DataFrame({"cost": values, "auc fall": values}) for values in (quiet, *spikes))
    return quiet, faults


def _read_rule(rule: object) -> tuple[str, float, int]:
    assert isinstance(rule, dict) and {"signal", "limit", "days"} <= set(rule), (
        f"Return a dict with signal, limit and days: this is {type_name(rule)}"
        + (f" with {sorted(map(str, rule))}." if isinstance(rule, dict) else ".")
    )
    signal, limit, days = rule["signal"], float(rule["limit"]), int(rule["days"])
    assert signal in SIGNALS, f"{signal!r} is no column of the table."
    assert 1 <= days <= LONGEST_RUN, f"A run of {days} days is not among those asked for, 1 to {LONGEST_RUN}."
    return signal, limit, days


def _rings(values: pd.Series, limit: float, days: int) -> np.ndarray:
    """Whether the values are at the limit or above on each of the last days."""
    over = [value >= limit for value in values]
    return np.array([day + 1 >= days and all(over[day + 1 - days : day + 1]) for day in range(len(over))])


def _fewest(quiet: pd.DataFrame, faults: list[pd.DataFrame], within: int) -> int:
    """The fewest false alarms of any rule that catches all faults: each signal and run at its highest such limit."""
    return min(
        int(_rings(quiet[signal], min(_highest(list(fault[signal][:within]), days) for fault in faults), days).sum())
        for signal in quiet
        for days in range(1, min(LONGEST_RUN, within) + 1)
    )


def _highest(values: list[float], days: int) -> float:
    """The highest limit that so many values in a row reach."""
    return max(min(values[start : start + days]) for start in range(len(values) - days + 1))


def _quiet_table(rng: Generator, days: int) -> pd.DataFrame:
    """Quiet days: storms make some signals leap for one day, others wander."""
    storm = np.where(rng.random(days) < 0.12, rng.uniform(2, 6, days), 0)
    wander = pd.Series(rng.normal(0, 1, days)).ewm(alpha=0.15).mean().to_numpy()
    noise = rng.normal(0, 1, (len(SIGNALS), days))
    columns = [np.abs(noise[0]), noise[1] + storm, noise[2] + 3 * wander, noise[3] + storm, noise[4], np.zeros(days)]
    table = pd.DataFrame(dict(zip(SIGNALS, columns, strict=True)), pd.date_range("2013-01-01", periods=days))
    return table[list(rng.permutation(SIGNALS))]


def _fault_tables(rng: Generator, within: int, number: int) -> list[pd.DataFrame]:
    """The days since a fault began, for some faults: the wind moves for good, the cost later, the rest says nothing."""
    days = within + 6
    table, since = _quiet_table(rng, number * days), np.tile(np.arange(days), number)
    table["wind psi"] += rng.uniform(2.8, 3.6, number).repeat(days)
    table["forecast mean"] += 0.5
    table["cost"] += np.where(since >= within - 1, 4.0, 0.0)
    table["auc fall"] += np.where(since >= within, 8.0, 0.0)
    return [table[first : first + days] for first in range(0, len(table), days)]


# 61.6


@check("61.6")
def check_cusum(cusum, rng: Generator) -> None:
    """Compare with a sum made by hand, where each of its rules decides."""
    _assert_cusum(cusum, np.full(12, 1.0), 0.0, 0.5, 2.0, "A steady excess of 1 over the usual")
    _assert_cusum(cusum, np.full(12, -3.0), 0.0, 0.5, 2.0, "Values below the usual")
    _assert_cusum(cusum, np.array([-50.0, 1, 1, 1, 1, 1, 1]), 0.0, 0.5, 2.0, "A very good day before a fault")
    _assert_cusum(cusum, np.array([1.0, 1, 1, 1]), 0.0, 0.5, 2.0, "A sum that reaches the limit and does not exceed it")
    holes = np.array([1.0, np.nan, 1, np.nan, np.nan, 1, 1, 1, 1])
    _assert_cusum(cusum, holes, 0.0, 0.5, 2.0, "Days without a value, which leave the sum as it is")
    for _ in range(20):
        usual, slack, limit = rng.normal(0.2, 0.1), rng.uniform(0.2, 1), rng.uniform(1, 5)
        values = rng.normal(usual + 0.3, 1, 80).cumsum() * 0.05 + rng.normal(usual, 1, 80)
        values[rng.random(80) < 0.1] = np.nan
        _assert_cusum(cusum, values, usual, slack, limit, "A random series")


def _assert_cusum(cusum, values: np.ndarray, usual: float, slack: float, limit: float, what: str) -> None:
    found = cusum(values.copy(), usual, slack, limit)
    assert isinstance(found, list | tuple | np.ndarray | pd.Series | pd.Index), (
        f"Return the positions of the days that ring as a list: this is {type_name(found)}."
    )
    days, expected = [int(day) for day in found], _cusum(values, usual, slack, limit)
    if days == expected:
        return
    place = next((number for number, pair in enumerate(zip(days, expected, strict=False)) if pair[0] != pair[1]), None)
    assert place is not None, (
        f"{what}: {len(days)} alarms, and {len(expected)} are due. After an alarm the sum begins again at 0, and only "
        f"a sum above the limit rings."
    )
    sooner = "early" if days[place] < expected[place] else "late"
    raise AssertionError(
        f"{what}: alarm number {place + 1} comes too {sooner}. Each day adds value - usual - slack, the sum never "
        f"falls below 0, a day without a value leaves it alone, and after an alarm it begins again at 0."
    )


def _cusum(values: np.ndarray, usual: float, slack: float, limit: float) -> list[int]:
    total, rang = 0.0, []
    for day, value in enumerate(values):
        if np.isnan(value):
            continue
        total = max(0.0, total + value - usual - slack)
        if total > limit:
            rang.append(day)
            total = 0.0
    return rang
