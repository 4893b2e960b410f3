"""What the answers to the exercises of lesson 22 must do."""

import re
from collections.abc import Iterator
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.random import Generator

from helpers.checks.core import check, type_name


@check("22.1")
def check_gap_profile(gap_profile, rng: Generator) -> None:
    """Compare the profile of a table with gaps of many kinds with one that is counted row by row."""
    table, outcome = _table_with_gaps(rng)
    profile = gap_profile(table.copy(), outcome.copy())
    assert isinstance(profile, pd.DataFrame), f"Return a DataFrame with one row a column: this is {type_name(profile)}."
    full = [name for name in table if name in profile.index and table[name].notna().all()]
    assert not full, f"{full[0]} has no gap and is in the profile: leave complete columns out."
    expected = _slow_profile(table, outcome)
    absent = [name for name in expected if name not in profile.index]
    assert not absent, (
        f"{absent[0]} has gaps and is not in the profile. An empty text or a zero is a value; NaN is a gap."
    )
    for column in ("gaps", "missing", "present"):
        assert column in profile, f"The profile has no column {column!r}; its columns are {list(profile.columns)}."
    assert profile.index.is_unique and len(profile) == len(expected), (
        "Some column of the table is in the profile twice."
    )
    for name, (gaps, missing, present) in expected.items():
        row = profile.loc[name]
        assert row["gaps"] == gaps, (
            f"{name} has {gaps} gaps, and the profile says {row['gaps']}: count rows, not shares."
        )
        assert _near(row["missing"], missing), (
            f"The outcome's rate where {name} is missing is not right. It is the mean of the outcome over the rows "
            "with the gap, each row once, whatever is missing in other columns."
        )
        assert _near(row["present"], present), (
            f"The outcome's rate where {name} is present is not right. Compare with the rows that have a value, "
            "not with all rows and not with the complete rows alone. Where a column has no value at all, it is NaN."
        )
    _assert_strongest_first(profile)


def _assert_strongest_first(profile: pd.DataFrame) -> None:
    """A column without any value has no difference and comes last."""
    differences = (profile["missing"] - profile["present"]).abs().to_numpy(float)
    known = differences[~np.isnan(differences)]
    assert np.isnan(differences[len(known) :]).all(), "A column without any value has no difference: it belongs last."
    assert (np.diff(known) <= 1e-12).all(), (
        "The order is not right: the largest difference comes first, and a rate that is lower where the value is "
        "missing tells as much as one that is higher. Sort by the absolute difference."
    )


def _table_with_gaps(rng: Generator) -> tuple[pd.DataFrame, pd.Series]:
    """Return a table with gaps that raise the outcome, lower it or do nothing, and the outcome, on an odd index."""
    rows = int(rng.integers(300, 500))
    outcome = pd.Series(rng.random(rows) < 0.3, index=rng.permutation(rows) * 7 + 3)
    table = pd.DataFrame({"complete": rng.normal(size=rows), "also_complete": 0}, index=outcome.index)
    shares = {
        "leaks": (0.0, 0.6),
        "reversed": (0.7, 0.05),
        "idle": (0.5, 0.5),
        "rare": (0.02, 0.06),
        "often": (0.85, 0.9),
    }
    for name, (otherwise, when_true) in shares.items():
        gap = rng.random(rows) < np.where(outcome, when_true, otherwise)
        gap[:2] = [True, False]
        table[name] = pd.Series(rng.normal(size=rows).round(), index=table.index).mask(gap)
    words = pd.Series(rng.choice(["", "N14228", "none"], rows), index=table.index)
    table["text"] = words.mask(rng.random(rows) < np.where(outcome, 0.5, 0.2))
    table["empty"] = np.nan
    return table[list(rng.permutation(table.columns))], outcome


def _slow_profile(table: pd.DataFrame, outcome: pd.Series) -> dict[str, tuple[int, float, float]]:
    profile = {}
    for name in table:
        gap = [value is None or value != value for value in table[name]]
        if any(gap):
            missing = [late for late, absent in zip(outcome, gap, strict=True) if absent]
            present = [late for late, absent in zip(outcome, gap, strict=True) if not absent]
            profile[name] = len(missing), float(np.mean(missing)), float(np.mean(present)) if present else np.nan
    return profile


@check("22.2")
def check_name_conventions(name_conventions, rng: Generator) -> None:
    """Ask for the convention of carriers that were made to have one, at the limit of `least` and beside it."""
    for least in (int(rng.integers(8, 20)), 30):
        flights, expected = _flights_by_convention(rng, least)
        named = name_conventions(flights.copy()) if least == 30 else name_conventions(flights.copy(), least)
        assert isinstance(named, dict | pd.Series), (
            f"Return a Series or a dict, carrier to word: this is {type_name(named)}."
        )
        named = dict(named)
        absent = sorted(set(expected) - set(named))
        assert not absent, (
            f"{absent[0]} flies and has no word: a carrier that cancelled nothing has too few cancellations."
        )
        assert set(named) == set(expected), f"{sorted(set(named) - set(expected))[0]} is not a carrier of this table."
        for carrier, word in expected.items():
            assert named[carrier] == word, (
                f"{carrier} should be {word!r} and is {named[carrier]!r}. "
                f"{_counts(flights, carrier)}; least is {least}."
            )


def _flights_by_convention(rng: Generator, least: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return flights and the convention of each carrier: (cancelled, of these without tailnum) decides."""
    many = least + int(rng.integers(5, 15))
    kinds = {
        "AA": (many, many, "always"),
        "BB": (many, 0, "never"),
        "CC": (many, 1, "mixed"),
        "DD": (many, many - 1, "mixed"),
        "EE": (least, least, "always"),
        "FF": (least, 0, "never"),
        "GG": (least - 1, least - 1, "too few"),
        "HH": (least - 1, 0, "too few"),
        "II": (0, 0, "too few"),
        "JJ": (many, many // 2, "mixed"),
        "KK": (1, 1, "too few"),
    }
    parts = [_flights_of(carrier, cancelled, without, rng) for carrier, (cancelled, without, _) in kinds.items()]
    flights = pd.concat(parts).sample(frac=1, random_state=int(rng.integers(2**31)))
    flights.index = rng.permutation(len(flights))
    return flights, {carrier: word for carrier, (_, _, word) in kinds.items()}


def _flights_of(carrier: str, cancelled: int, without: int, rng: Generator) -> pd.DataFrame:
    """Return flights of one carrier; two that flew have lost their tailnum, which says nothing of cancellations."""
    flown = int(rng.integers(40, 80))
    dep_time = np.r_[rng.integers(500, 2300, flown).astype(float), np.full(cancelled, np.nan)]
    tailnum = pd.Series([f"N{number}" for number in rng.integers(100, 999, flown + cancelled)])
    tailnum[(tailnum.index < 2) | (tailnum.index >= flown + cancelled - without)] = np.nan
    return pd.DataFrame({"carrier": carrier, "dep_time": dep_time, "tailnum": tailnum})


def _counts(flights: pd.DataFrame, carrier: str) -> str:
    cancelled = flights[(flights.carrier == carrier) & flights.dep_time.isna()]
    return f"It cancelled {len(cancelled)} flights, {cancelled.tailnum.isna().sum()} of them without a tailnum"


@check("22.3")
def check_repaired_chart(repaired_chart, rng: Generator) -> None:
    """Read the bars, labels, limits, title and colours of the charts of two sets of rates."""
    codes = ["9E", "AA", "B6", "DL", "EV", "F9", "MQ", "UA", "US", "WN"]
    for _ in range(2):
        chosen = rng.permutation(codes)[: int(rng.integers(5, 9))]
        rates = pd.Series(
            rng.permutation(np.linspace(0.15, 0.4, len(chosen))) + rng.normal(0, 0.005, len(chosen)), chosen
        )
        highlight = str(rng.choice(chosen[1:-1]))
        try:
            _assert_honest(_axes_of(repaired_chart(rates.copy(), highlight)), rates, highlight)
        finally:
            plt.close("all")


def _assert_honest(ax: Axes, rates: pd.Series, highlight: str) -> None:
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(bars) == len(rates), f"There are {len(rates)} rates and {len(bars)} bars: draw one bar a carrier."
    across = _are_horizontal(bars)
    value_axis, name_axis = (ax.xaxis, ax.yaxis) if across else (ax.yaxis, ax.xaxis)
    bars.sort(key=lambda bar: _place(bar, across))
    low, high = sorted(value_axis.get_view_interval())
    lengths = np.array([bar.get_width() if across else bar.get_height() for bar in bars])
    starts = np.array([bar.get_x() if across else bar.get_y() for bar in bars])
    assert np.allclose(starts, 0) and -0.05 * high <= low <= 0, (
        f"The axis starts at {low:.3g}: a bar says its number by its length, so it starts at zero."
    )
    assert high >= lengths.max(), "The longest bar is cut off at its end."
    names = [_label_at(name_axis, _place(bar, across)) for bar in bars]
    assert sorted(names) == sorted(rates.index), f"The bars should be labelled with the carriers, and read {names}."
    shown = pd.Series(lengths, names)
    scale = 100 if lengths.max() > 1 else 1
    wrong = [name for name in names if not np.isclose(shown[name], scale * rates[name], rtol=1e-3)]
    assert not wrong, (
        f"The bar labelled {wrong[0]} has the length of another carrier: labels and bars must move together."
    )
    steps = [second - first for first, second in pairwise(lengths)]
    assert all(step >= 0 for step in steps) or all(step <= 0 for step in steps), (
        "The bars are not in the order of their rates: the eye should not have to sort."
    )
    _assert_says(ax, highlight, rates[highlight])
    _assert_stands_out(dict(zip(names, bars, strict=True)), highlight)


def _assert_says(ax: Axes, highlight: str, rate: float) -> None:
    title = " ".join(ax.get_title(loc=side) for side in ("left", "center", "right")).strip()
    assert re.search(rf"\b{highlight}\b", title), (
        f"The title {title!r} does not name {highlight}: let it say the finding."
    )
    assert re.search(rf"(?<![\w.]){100 * rate:.0f}(?![\d])", title), (
        f"The title {title!r} does not give {highlight}'s rate in whole per cent."
    )
    names = f"{ax.get_xlabel()} / {ax.get_ylabel()}".lower()
    for word, pattern in {"carrier": r"\b(carrier|airline)s?\b", "disrupted": r"\bdisrupted\b"}.items():
        assert re.search(pattern, names), f"The axes are named {names!r}: one should say {word!r}."


def _assert_stands_out(bars: dict[str, Rectangle], highlight: str) -> None:
    chosen = _luminance(bars[highlight])
    others = {tuple(np.round(to_rgb(bar.get_facecolor()), 3)) for name, bar in bars.items() if name != highlight}
    assert len(others) == 1, "The other carriers should share one quiet colour: a colour without a meaning is noise."
    assert np.ptp(to_rgb(bars[highlight].get_facecolor())) >= np.ptp(next(iter(others))), (
        f"The others are more colourful than {highlight}: the quiet colour belongs to what only gives the scale."
    )
    difference = min(abs(chosen - _luminance(bar)) for name, bar in bars.items() if name != highlight)
    assert difference > 0.1, (
        f"{highlight} differs from the rest in lightness by {difference:.2f}: a colour-blind reader, or a grey "
        "printer, cannot tell them apart. Choose a colour that is clearly lighter or darker."
    )


def _axes_of(answer: object) -> Axes:
    if isinstance(answer, Figure):
        assert len(answer.axes) == 1, f"The figure has {len(answer.axes)} axes: draw one chart."
        answer = answer.axes[0]
    assert isinstance(answer, Axes), f"Return the axes that you drew on: this is {type_name(answer)}."
    answer.figure.canvas.draw()
    return answer


def _are_horizontal(bars: list[Rectangle]) -> bool:
    """Bars of a bar chart share their thickness; lengths differ."""
    return np.ptp([bar.get_width() for bar in bars]) > np.ptp([bar.get_height() for bar in bars])


def _place(bar: Rectangle, across: bool) -> float:
    return bar.get_y() + bar.get_height() / 2 if across else bar.get_x() + bar.get_width() / 2


def _label_at(axis: object, place: float) -> str:
    near = [text.get_text() for tick, text in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
            if abs(tick - place) < 0.3]  # fmt: skip
    return near[0] if near else ""


def _luminance(bar: Rectangle) -> float:
    """Relative luminance of a bar's colour, 0 black to 1 white (IEC 61966-2-1, with a gamma of 2.2)."""
    return float(np.array(to_rgb(bar.get_facecolor())) ** 2.2 @ [0.2126, 0.7152, 0.0722])


@check("22.4")
def check_day_interval(day_interval, rng: Generator) -> None:
    """Compare with the formula summed day by day, and ask what copying every flight teaches."""
    for days in (4, 60):
        outcome, day = _outcomes_by_day(rng, days)
        low, high = _pair(day_interval(outcome.copy(), day.copy()))
        middle = outcome.mean()
        assert np.isclose((low + high) / 2, middle, rtol=1e-6), (
            "The middle of the interval is not the share of all flights. The mean of the daily shares is another "
            "number: it gives a quiet Sunday the weight of a full Friday."
        )
        reach, right = (high - low) / 2, 1.96 * _slow_error(outcome, day)
        copied = _pair(
            day_interval(pd.concat([outcome] * 3, ignore_index=True), pd.concat([day] * 3, ignore_index=True))
        )
        assert np.isclose(copied[1] - copied[0], high - low, rtol=1e-6), (
            f"Every flight three times over turned a width of {high - low:.4f} into {copied[1] - copied[0]:.4f}: "
            "copies teach nothing. Count days, not rows."
        )
        assert np.isclose(reach, right, rtol=1e-6), (
            f"The interval of {days} days is {reach / right:.3f} times as wide as the formula's. Check what is "
            "squared, by what you divide, the factor days / (days - 1), and that a day counts by its number of flights."
        )
    wide = _pair(day_interval(outcome, day, z=3.0))
    assert np.isclose(wide[1] - wide[0], 2 * 3 * right / 1.96, rtol=1e-6), "The interval does not follow `z`."


def _outcomes_by_day(rng: Generator, days: int) -> tuple[pd.Series, pd.Series]:
    """Return outcomes whose rate and number differ from day to day, in shuffled order."""
    sizes = rng.integers(5, 120, days)
    day = rng.permutation(np.repeat(pd.date_range("2013-03-01", periods=days), sizes))
    rate = dict(zip(pd.unique(day), rng.beta(1, 3, days), strict=True))
    outcome = pd.Series([rng.random() < rate[when] for when in day])
    outcome[:2] = [True, False]
    return outcome, pd.Series(day)


def _slow_error(outcome: pd.Series, day: pd.Series) -> float:
    """Standard error of a share over days: the ratio estimator of Cochran, Sampling Techniques (1977), chapter 6."""
    share, total, days = outcome.mean(), 0.0, day.unique()
    for when in days:
        flights = outcome[(day == when).to_numpy()]
        total += (flights.sum() - share * len(flights)) ** 2
    return float(np.sqrt(len(days) / (len(days) - 1) * total) / len(outcome))


def _pair(answer: object) -> tuple[float, float]:
    assert np.shape(answer) == (2,), (
        f"Return two numbers, low and high: this is {type_name(answer)} of shape {np.shape(answer)}."
    )
    low, high = (float(value) for value in answer)
    assert low <= high, f"The low end, {low:.3f}, is above the high end, {high:.3f}."
    return low, high


@check("22.5")
def check_rank_desks(rank_desks, rng: Generator) -> None:
    """Compare each desk's value with one that is added up day by day, with storms on some days."""
    for hours in (3, int(rng.choice([2, 4, 5]))):
        flights = _flights_with_storms(rng)
        terms = {
            "hours": hours,
            "capacity": int(rng.integers(3, 7)),
            "saved": 80.0,
            "cost": float(rng.integers(50, 200)),
        }
        ranked = rank_desks(flights.copy(), **terms)
        assert isinstance(ranked, pd.DataFrame), f"Return a DataFrame, one row a desk: this is {type_name(ranked)}."
        absent = {"origin", "start", "euros_per_day"} - set(ranked.columns)
        assert not absent, f"The table has no column {sorted(absent)[0]!r}; its columns are {list(ranked.columns)}."
        values = ranked.set_index(["origin", "start"]).euros_per_day
        expected = dict(_slow_values(flights, **terms))
        missing = sorted(set(expected) - set(values.index))
        assert not missing, f"The desk {missing[0]} is missing: every airport, every start from 0 to {24 - hours}."
        assert len(values) == len(expected), (
            f"There are {len(expected)} desks and {len(values)} rows: a desk of {hours} hours starts at an hour from 0 "
            f"to {24 - hours}, and stands in the table once."
        )
        for desk, right in expected.items():
            assert np.isclose(values[desk], right, atol=0.01), _why(values[desk], desk, flights, terms)
        assert (np.diff(ranked.euros_per_day.to_numpy(float)) <= 1e-9).all(), "The best desk should come first."


def _why(seen: float, desk: tuple[str, int], flights: pd.DataFrame, terms: dict[str, float]) -> str:
    """Say which misconception would give the number that was seen, where it is a known one."""
    name = f"The desk {desk}: {seen:.2f} euros a day is not right."
    if np.isclose(seen, _capped_mean(desk, flights, terms), atol=0.01):
        return f"{name} The capacity was held against the average day. No day is average: storms overfill the desk."
    if np.isclose(seen, _busy_days_only(desk, flights, terms), atol=0.01):
        return f"{name} Days without a disrupted flight in its hours are left out: the desk costs money on them, too."
    return (
        f"{name} Each day it helps the disrupted flights of its airport scheduled in its {terms['hours']} hours, at "
        "most the capacity; sum what that saves, take the mean over all days of the table, and subtract a day's cost."
    )


def _slow_values(
    flights: pd.DataFrame, hours: int, capacity: int, saved: float, cost: float
) -> Iterator[tuple[tuple[str, int], float]]:
    days = flights.date.nunique()
    for origin in flights.origin.unique():
        for start in range(24 - hours + 1):
            helped = sum(min(count, capacity) for count in _daily_counts(flights, (origin, start), hours))
            yield (origin, start), saved * helped / days - cost


def _daily_counts(flights: pd.DataFrame, desk: tuple[str, int], hours: int) -> pd.Series:
    """Number of disrupted flights that a desk sees on each day on which there is one."""
    origin, start = desk
    at_desk = (flights.origin == origin) & (flights.hour >= start) & (flights.hour < start + hours)
    return flights[at_desk & flights.disrupted].groupby("date").size()


def _capped_mean(desk: tuple[str, int], flights: pd.DataFrame, terms: dict[str, float]) -> float:
    mean = _daily_counts(flights, desk, terms["hours"]).sum() / flights.date.nunique()
    return terms["saved"] * min(mean, terms["capacity"]) - terms["cost"]


def _busy_days_only(desk: tuple[str, int], flights: pd.DataFrame, terms: dict[str, float]) -> float:
    counts = _daily_counts(flights, desk, terms["hours"]).clip(upper=terms["capacity"])
    return terms["saved"] * counts.mean() - terms["cost"] if len(counts) else np.nan


def _flights_with_storms(rng: Generator) -> pd.DataFrame:
    """Return two weeks of flights from three airports, at every hour; on a third of the days half are disrupted."""
    rows = int(rng.integers(1200, 1600))
    date = pd.date_range("2013-02-01", periods=14)[rng.integers(0, 14, rows)]
    hour = np.r_[np.arange(24), rng.integers(5, 23, rows - 24)]
    storm = date.day.isin(rng.permutation(14)[:5] + 1)
    disrupted = rng.random(rows) < np.where(storm, 0.55, 0.08)
    disrupted[:24] = True
    origin = np.r_[["EWR"] * 24, rng.choice(["EWR", "JFK", "LGA"], rows - 24)]
    return pd.DataFrame(
        {"origin": origin, "date": date, "hour": hour, "disrupted": disrupted}, index=rng.permutation(rows)
    )


@check("22.6")
def check_like_for_like(like_for_like, rng: Generator) -> None:
    """Compare with a loop over strata; in some strata only one of the two flies, and others fly as well."""
    for strata in (["hour"], ["origin", "hour"]):
        flights = _flights_of_two(rng)
        answer = like_for_like(flights.copy(), "9E", "WN", list(strata))
        assert isinstance(answer, dict | pd.Series), (
            f"Return a dict with raw, adjusted and covered: this is {type_name(answer)}."
        )
        absent = {"raw", "adjusted", "covered"} - set(dict(answer))
        assert not absent, f"{sorted(absent)[0]!r} is missing from what you return."
        raw, adjusted, covered = _slow_comparison(flights, strata)
        assert _near(answer["raw"], raw), (
            "raw is not right: the first carrier's share of disrupted flights less the second's."
        )
        assert not (_near(answer["adjusted"], raw) and not _near(raw, adjusted)), (
            "adjusted is the raw difference again: compare within each stratum first, then average the differences."
        )
        assert _near(answer["adjusted"], adjusted), (
            f"adjusted is not right within {strata}: average the differences of the strata in which both fly, "
            "with the weights n1 * n2 / (n1 + n2); strata with one of the two say nothing about the difference."
        )
        assert _near(answer["covered"], covered), (
            "covered is not right: of all flights of these two carriers, the share in strata in which both fly."
        )


def _slow_comparison(flights: pd.DataFrame, strata: list[str]) -> tuple[float, float, float]:
    """Return the raw difference, the adjusted one and the share of flights that it covers."""
    share = flights.groupby("carrier").disrupted.mean()
    both = flights[flights.carrier.isin(["9E", "WN"])]
    top = bottom = covered = 0.0
    for _, stratum in both.groupby(strata):
        first, second = (stratum.disrupted[stratum.carrier == code] for code in ("9E", "WN"))
        if len(first) and len(second):
            weight = len(first) * len(second) / (len(first) + len(second))
            top += weight * (first.mean() - second.mean())
            bottom += weight
            covered += len(stratum)
    return share["9E"] - share["WN"], top / bottom, covered / len(both)


def _flights_of_two(rng: Generator) -> pd.DataFrame:
    """Return flights of two carriers with other hours and airports, and of a third that must not matter."""
    sizes = {"9E": int(rng.integers(400, 600)), "WN": int(rng.integers(200, 400)), "UA": 300}
    parts = []
    for carrier, rows in sizes.items():
        lean = np.linspace(*((1, 4) if carrier == "9E" else (4, 1)), 18)
        hour = rng.choice(np.arange(5, 23), rows, p=lean / lean.sum())
        origins = {"9E": ["JFK", "JFK", "EWR"], "WN": ["EWR", "LGA"]}.get(carrier, ["EWR", "JFK", "LGA"])
        rate = 0.05 + 0.03 * (hour - 5) + (0.1 if carrier == "WN" else 0)
        part = pd.DataFrame({"carrier": carrier, "hour": hour, "origin": rng.choice(origins, rows)})
        parts.append(part.assign(disrupted=rng.random(rows) < rate))
    flights = pd.concat(parts, ignore_index=True)
    # Hour 4 belongs to the first carrier, and 23 to the second.
    flights.loc[flights.index[:15], "hour"] = 4
    flights.loc[flights.index[flights.carrier == "WN"][:15], "hour"] = 23
    return flights.sample(frac=1, random_state=int(rng.integers(2**31)))


def _near(seen: object, right: float) -> bool:
    return bool(np.isclose(float(seen), right, rtol=1e-6, atol=1e-9, equal_nan=True))
