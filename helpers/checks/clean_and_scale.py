"""What the answers to the exercises of lesson 25 must do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, one_number_a_row, type_name

# 25.1: gaps


@check("25.1")
def check_fill_and_flag(fill_and_flag, rng: Generator) -> None:
    """Fill skewed columns whose later values lie elsewhere, with gaps in training, later, in both and in neither."""
    train, new = _gappy_tables(rng)
    before = train.copy(), new.copy()
    parts = _frames(fill_and_flag(train, new))
    assert train.equals(before[0]) and new.equals(before[1]), (
        "The tables that were passed in have changed: work on a copy."
    )
    flags = [f"{name}_missing" for name in train if train[name].isna().any()]
    for table, given in zip(parts, before, strict=True):
        _assert_filled(table, given, before[0], flags)


def _assert_filled(table: pd.DataFrame, given: pd.DataFrame, train: pd.DataFrame, flags: list[str]) -> None:
    assert len(table) == len(given), f"{len(given)} rows went in and {len(table)} came out: fill gaps, drop no row."
    extra = sorted(set(table) - set(given) - set(flags))
    assert not extra, (
        f"There is a column {extra[0]!r} that should not be: a flag belongs to each column with a gap in the training "
        "rows, whatever table it is made for, and to no other."
    )
    assert list(table.columns) == [*given, *flags], (
        f"The columns are {list(table.columns)} and should be the given ones, then {flags}."
    )
    for name in given:
        column, gap = table[name].to_numpy(float), given[name].isna().to_numpy()
        assert not np.isnan(column).any(), f"{name} has gaps left: fill the gaps of both tables, in every column."
        assert np.array_equal(column[~gap], given[name].to_numpy()[~gap]), (
            f"Values of {name} that were there have changed: only gaps are to be filled."
        )
        middle = float(np.median([value for value in train[name] if value == value]))
        assert np.allclose(column[gap], middle, rtol=0, atol=1e-9), (
            f"The gaps of {name} were filled with {column[gap][0]:.3f} and should have {middle:.3f}: the median, not "
            "the mean, of the training rows, also in the new table."
        )
    for flag in flags:
        was = given[flag.removesuffix("_missing")].isna().to_numpy()
        got = table[flag].to_numpy(float)
        assert np.array_equal(got, was.astype(float)), (
            f"{flag} says {got.sum():.0f} gaps where {was.sum()} were: 1.0 for a row that had a gap, else 0.0. Make "
            "the flags before you fill."
        )


def _gappy_tables(rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Columns with gaps in training only, in both, later only, and in neither; all skewed, and higher later."""
    names = ["gust", "pressure", "visib", "temp"]
    train = pd.DataFrame(rng.gamma(1.0, 10.0, (41, 4)), columns=names, index=rng.permutation(41) + 100)
    new = pd.DataFrame(rng.gamma(1.0, 10.0, (23, 4)) + 40, columns=names, index=rng.permutation(23) + 500)
    for table, columns in ((train, ["gust", "pressure"]), (new, ["pressure", "visib"])):
        for name in columns:
            table.loc[rng.choice(table.index, 6, replace=False), name] = np.nan
    return train, new


# 25.2: a scaler that holds


@check("25.2")
def check_robust_scale(robust_scale, rng: Generator) -> None:
    """Scale skewed columns, a constant one and one that is mostly zero, with gaps and an impossible value."""
    for limit in (5.0, float(rng.uniform(2, 4))):
        train, new = _columns_with_faults(rng)
        before = train.copy(), new.copy()
        parts = _frames(robust_scale(train, new, limit))
        for table, given in zip(parts, before, strict=True):
            assert table.shape == given.shape, f"A table of shape {given.shape} came back with shape {table.shape}."
            _assert_scaled(table, given, before[0], limit)


def _assert_scaled(table: pd.DataFrame, given: pd.DataFrame, train: pd.DataFrame, limit: float) -> None:
    for name in given:
        got, values = table[name].to_numpy(float), given[name].to_numpy()
        gap = np.isnan(values)
        assert np.isnan(got[gap]).all(), f"A gap of {name} has become a number: a gap stays a gap."
        assert np.isfinite(got[~gap]).all(), (
            f"{name} has values that are no finite numbers: where the interquartile range is 0, divide by 1."
        )
        assert np.abs(got[~gap]).max() <= limit + 1e-9, (
            f"{name} reaches {np.abs(got[~gap]).max():.1f} with a limit of {limit:.1f}: the fault is let through."
        )
        expected = _slow_scaled(values, train[name], limit)
        assert np.allclose(got[~gap], expected[~gap], rtol=0, atol=1e-9), (
            f"The values of {name} are not right, the first is {got[~gap][0]:.3f} for {expected[~gap][0]:.3f}: less "
            "the median, divided by the interquartile range, both of the training rows, and limited after that; "
            "a range of 0 counts as 1."
        )


def _slow_scaled(values: np.ndarray, train: pd.Series, limit: float) -> np.ndarray:
    known = sorted(number for number in train if number == number)
    low, middle, high = (float(np.quantile(known, share)) for share in (0.25, 0.5, 0.75))
    spread = (high - low) or 1.0
    return np.array([min(max((value - middle) / spread, -limit), limit) for value in values])


def _columns_with_faults(rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    def table(rows: int, shift: float) -> pd.DataFrame:
        columns = {
            "wind": rng.gamma(4.0, 2.5, rows) + shift,
            "rain": np.where(rng.random(rows) < 0.1, rng.gamma(1.0, 0.5, rows), 0.0),
            "runways": np.full(rows, 2.0 + shift / 4),
            "delay": rng.normal(0, 1, rows) * 1e3 + 50 * shift,
        }
        return pd.DataFrame(columns)

    train, new = table(60, 0.0), table(40, 3.0)
    train.loc[rng.choice(60, 7, replace=False), "wind"] = np.nan
    new.loc[rng.choice(40, 5, replace=False), "wind"] = np.nan
    new.loc[39, ["wind", "delay"]] = [1048.4, -1e7]
    train.loc[59, "wind"] = 1048.4
    return train, new


# 25.3: a preparation that looks at the wrong rows


@check("25.3")
def check_repaired_matrices(repaired_matrices, rng: Generator) -> None:
    """Prepare days with fewer, other and new names, and a single row alone."""
    train, new = _days(rng)
    names, numbers = ["origin", "dest"], ["wind", "rain"]
    got = [_matrix(part) for part in _pair(repaired_matrices(train.copy(), new.copy(), names, numbers), "matrices")]
    expected = [_slow_matrix(table, train, names, numbers) for table in (train, new)]
    _assert_columns(got, expected)
    coded = expected[0].shape[1] - len(numbers)
    for part, right, rows in zip(got, expected, ("training", "new"), strict=True):
        _assert_codes(part[:, :coded], right[:, :coded], rows)
        _assert_numbers(part[:, coded:], right[:, coded:], rows)
    alone = _matrix(_pair(repaired_matrices(train.copy(), new.iloc[[0]].copy(), names, numbers), "matrices")[1])
    assert np.allclose(alone[0], got[1][0], atol=1e-6), (
        "The first new row becomes something else when it comes alone: its forecast depends on its neighbours."
    )


def _assert_columns(got: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert got[0].shape[1] == got[1].shape[1], (
        f"The training rows have {got[0].shape[1]} columns and the new ones {got[1].shape[1]}: the names were learnt "
        "twice. Learn from the training rows, and only transform the new ones."
    )
    assert got[0].shape == expected[0].shape and got[1].shape == expected[1].shape, (
        f"The matrices have the shapes {got[0].shape} and {got[1].shape} and should have {expected[0].shape} and "
        f"{expected[1].shape}: a column for each name of the training rows, and for no other, then the numbers."
    )


def _assert_codes(got: np.ndarray, expected: np.ndarray, rows: str) -> None:
    assert np.array_equal(got, expected), (
        f"The names of the {rows} rows are not coded by the names of the training rows: 1 in the column of the "
        "row's name, in alphabetical order, and 0 in all for a name that they do not have."
    )


def _assert_numbers(got: np.ndarray, expected: np.ndarray, rows: str) -> None:
    assert np.allclose(got, expected, rtol=0, atol=1e-6), (
        f"The numbers of the {rows} rows are not right: fill with the training mean, then standardise by mean and "
        "standard deviation of the training rows, for both tables."
    )


def _slow_matrix(table: pd.DataFrame, train: pd.DataFrame, names: list[str], numbers: list[str]) -> np.ndarray:
    columns = []
    for column in names:
        for name in sorted(set(train[column])):
            columns.append([float(value == name) for value in table[column]])
    for column in numbers:
        known = [value for value in train[column] if value == value]
        mean = sum(known) / len(known)
        filled = [value if value == value else mean for value in train[column]]
        spread = (sum((value - mean) ** 2 for value in filled) / len(filled)) ** 0.5
        columns.append([(value - mean) / spread if value == value else 0.0 for value in table[column]])
    return np.array(columns).T


def _days(rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A spring with every name, and a day with as many names, of which one is new and one is not there."""

    def table(rows: int, dests: list[str], shift: float) -> pd.DataFrame:
        columns = {
            "rain": rng.gamma(1.0, 1.0, rows) + shift,
            "dest": [*dests, *rng.choice(dests, rows - len(dests))],
            "wind": rng.normal(10, 3, rows) + shift,
            "origin": ["EWR", "JFK", *rng.choice(["EWR", "JFK"], rows - 2)],
        }
        return pd.DataFrame(columns, index=rng.permutation(rows) + 7)

    train = table(50, ["ATL", "BOS", "MIA", "SFO"], 0.0)
    new = table(20, ["ATL", "MIA", "SBN", "SFO"], 5.0)
    train.loc[rng.choice(train.index, 8, replace=False), "wind"] = np.nan
    new.loc[rng.choice(new.index[1:], 4, replace=False), "wind"] = np.nan
    return train, new


# 25.4: rare and unknown names


@check("25.4")
def check_one_hot(one_hot, rng: Generator) -> None:
    """Code names with counts around the limit; some rare, unknown and missing; once with no rare name at all."""
    for rare in (True, False):
        limit = int(rng.integers(3, 7))
        train, new = _names(rng, limit, rare)
        parts = _frames(one_hot(train.copy(), new.copy(), limit))
        for table, given, rows in zip(parts, (train, new), ("training", "new"), strict=True):
            _assert_coded(table, given, _slow_frequent(train, limit), rows)


def _assert_coded(table: pd.DataFrame, given: pd.Series, frequent: list[str], rows: str) -> None:
    assert len(table) == len(given), f"{len(given)} {rows} rows went in and {len(table)} came out."
    columns = [str(column) for column in table.columns]
    assert "other" in columns, (
        f"The table of the {rows} rows has no column 'other': it is always there, also when no training name is rare."
    )
    added, lost = sorted(set(columns) - {*frequent, "other"}), sorted(set(frequent) - set(columns))
    assert not added, f"{added[0]} has a column of its own, and it is not frequent in the training rows."
    assert not lost, f"{lost[0]} has no column, and it has at least as many training rows as the limit asks for."
    assert columns == [*frequent, "other"], (
        f"The columns are in the order {columns}: frequent names in alphabetical order, then 'other'."
    )
    assert list(table.index) == list(given.index), f"The table of the {rows} rows has lost the index of its rows."
    values = table.to_numpy(float)
    total = values.sum(axis=1)
    assert (total == 1).all(), (
        f"A {rows} row with the name {given.to_numpy()[total != 1][0]} has {total[total != 1][0]:.0f} ones: each row "
        "has exactly one, in 'other' when its name is rare, unknown or missing."
    )
    expected = [name if name in frequent else "other" for name in given]
    got = [columns[place] for place in values.argmax(axis=1)]
    wrong = [(name, code) for name, code, right in zip(given, got, expected, strict=True) if code != right]
    assert not wrong, f"A {rows} row with the name {wrong[0][0]} has its 1 in the column {wrong[0][1]}."


def _slow_frequent(train: pd.Series, limit: int) -> list[str]:
    names = [name for name in train if isinstance(name, str)]
    return sorted(name for name in set(names) if names.count(name) >= limit)


def _names(rng: Generator, limit: int, rare: bool) -> tuple[pd.Series, pd.Series]:
    """Names with more rows than the limit, just as many, and (when rare) one less; later others are frequent."""
    counts = {"SFO": 3 * limit, "ATL": limit, "MIA": 2 * limit, "BOS": limit + 1}
    counts |= {"ILM": limit - 1, "BQN": 1} if rare else {}
    train = [name for name, count in counts.items() for _ in range(count)] + [None] * (limit + 2 if rare else 0)
    new = ["SBN"] * (limit + 3) + ["ILM"] * limit + ["SFO", "ATL", "BOS", None, None, "ANC"]
    series = [pd.Series(names, dtype="str") for names in (train, new)]
    return tuple(part.sample(frac=1, random_state=rng) for part in series)


# 25.5: a target encoder that knows the past alone


@check("25.5")
def check_encode_by_past(encode_by_past, rng: Generator) -> None:
    """Compare with an encoding made row by row, of unsorted rows with several flights of a key on a day."""
    for weight, start in ((1.0, 0.2), (float(rng.uniform(3, 9)), float(rng.uniform(0.3, 0.5)))):
        key, late, day, new_key = _history(rng)
        given = key.copy(), late.copy(), day.copy(), new_key.copy()
        parts = _pair(encode_by_past(*given, weight, start), "encodings")
        trained, new = (one_number_a_row(part, "An encoding") for part in parts)
        assert len(trained) == len(key) and len(new) == len(new_key), (
            f"{len(key)} training rows and {len(new_key)} new ones got {len(trained)} and {len(new)} values."
        )
        assert np.isfinite(trained).all() and np.isfinite(new).all(), (
            "Some rows have no value: a key without any row to learn from gets `start`."
        )
        smooth = _Smooth(key, late, day, weight, start)
        _assert_by_past(trained, smooth)
        right = [smooth.rate(name, lambda other: True) for name in new_key]
        assert np.allclose(new, right, rtol=0, atol=1e-6), (
            "The values of the new rows are not right: they learn from all training rows, with the same formula; an "
            "unknown key gets `start`."
        )


class _Smooth:
    """The rate of a key over the training rows of some days, counted one by one."""

    def __init__(self, key: pd.Series, late: pd.Series, day: pd.Series, weight: float, start: float) -> None:
        self.rows = list(zip(key, late, day, strict=True))
        self.weight, self.start = weight, start

    def rate(self, name: str, counts: Callable[[pd.Timestamp], bool]) -> float:
        own = [late for key, late, day in self.rows if key == name and counts(day)]
        return (sum(own) + self.weight * self.start) / (len(own) + self.weight)


def _assert_by_past(trained: np.ndarray, smooth: _Smooth) -> None:
    def encoded(counts: Callable[[pd.Timestamp, pd.Timestamp], bool]) -> list[float]:
        return [smooth.rate(key, lambda other, day=day: counts(other, day)) for key, _, day in smooth.rows]

    everything = encoded(lambda other, day: True)
    assert not np.allclose(trained, everything, atol=1e-6), (
        "The training rows are encoded by all training rows: each has its own answer in its feature."
    )
    own_day = encoded(lambda other, day: other <= day)
    assert not np.allclose(trained, own_day, atol=1e-6), (
        "A training row is encoded with the flights of its own day, itself among them: they have not landed in the "
        "morning."
    )
    other_days = encoded(lambda other, day: other != day)
    assert not np.allclose(trained, other_days, atol=1e-6), (
        "A training row is encoded with later days as well: only earlier days have happened."
    )
    past = encoded(lambda other, day: other < day)
    assert np.allclose(trained, past, rtol=0, atol=1e-6), (
        f"The values of the training rows are not right: {int((np.abs(trained - past) > 1e-6).sum())} of {len(past)} "
        "differ. Count late flights and flights of the key on earlier days, and let weight and start come in as the "
        "formula says. The rows are in no order of time."
    )


def _history(rng: Generator) -> tuple[pd.Series, pd.Series, pd.Series, pd.Series]:
    rows, names = 150, np.array([f"N{number}" for number in rng.permutation(900)[:14]])
    which = np.minimum(rng.geometric(0.2, rows) - 1, 12)
    day = pd.Timestamp("2013-05-01") + pd.to_timedelta(rng.integers(0, 25, rows), unit="D")
    late = rng.random(rows) < rng.random(14)[which]
    which[:3], late[:3] = 13, True  # a key with three flights on one day
    day = day.to_series().reset_index(drop=True)
    day.iloc[:3] = day.iloc[3]
    index = rng.permutation(rows) + 1000
    new_key = pd.Series([*rng.choice(names, 30), "XX1", "XX2"], index=rng.permutation(32))
    return (
        pd.Series(names[which], index=index),
        pd.Series(late, index=index),
        pd.Series(day.to_numpy(), index=index),
        new_key,
    )


# 25.6: the cheapest that is not shown to be worse


@check("25.6")
def check_choose_encoder(choose_encoder, rng: Generator) -> None:
    """Choose where the cheap encoders are as good, where they are a little worse every day, and where all are."""
    for cheap, middling in ((0.0003, 0.001), (0.004, 0.001), (0.004, 0.01)):
        losses, columns = _losses(rng, cheap, middling)
        expected = _slow_choice(losses, columns)
        for order in (list(losses), list(losses)[::-1]):  # of two equals, neither the first nor the last is right twice
            answer = choose_encoder(losses[order], {name: columns[name] for name in order})
            _assert_decision(answer, expected, columns)


def _assert_decision(answer: Any, expected: dict[str, Any], columns: dict[str, int]) -> None:
    assert isinstance(answer, dict), f"Return a dict with best, low and chosen: this is {type_name(answer)}."
    for name in ("best", "low", "chosen"):
        assert name in answer, f"The dict has no {name!r}; it has {sorted(map(str, answer))}."
    assert answer["best"] == expected["best"], (
        f"The best is {answer['best']!r} and should be {expected['best']!r}: the smallest mean loss over the days."
    )
    _assert_low(dict(answer["low"]), expected["low"])
    _assert_chosen(answer["chosen"], expected, columns)


def _assert_low(low: dict[str, float], expected: dict[str, float]) -> None:
    assert set(low) == set(expected), f"`low` has {sorted(map(str, low))}: give each encoder its number."
    for name, right in expected.items():
        assert abs(float(low[name]) - right) < 1e-9, (
            f"`low` of {name} is {float(low[name]):+.5f} and should be {right:+.5f}: on each day the loss less the "
            "best's loss; then the mean less 1.96 standard errors of these differences, with n - 1 and the root of n."
        )


def _assert_chosen(chosen: str, expected: dict[str, Any], columns: dict[str, int]) -> None:
    assert chosen in columns, f"There is no encoder {chosen!r}."
    assert expected["low"][chosen] <= 0, (
        f"{chosen} is shown to be worse than {expected['best']}: its difference is above 0 with its whole interval."
    )
    right = expected["chosen"]
    assert columns[chosen] == columns[right], (
        f"{chosen} makes {columns[chosen]} columns, and an encoder with {columns[right]} is not shown to be worse."
    )
    assert chosen == right, f"{chosen} and {right} make as many columns: take the one with the smaller mean loss."


def _slow_choice(losses: pd.DataFrame, columns: dict[str, int]) -> dict[str, Any]:
    mean = {name: sum(losses[name]) / len(losses) for name in losses}
    best = min(mean, key=mean.get)
    low = {}
    for name in losses:
        apart = [one - other for one, other in zip(losses[name], losses[best], strict=True)]
        center = sum(apart) / len(apart)
        spread = (sum((value - center) ** 2 for value in apart) / (len(apart) - 1)) ** 0.5
        low[name] = center - 1.96 * spread / len(apart) ** 0.5
    rivals = [name for name in losses if low[name] <= 0]
    return {"best": best, "low": low, "chosen": min(rivals, key=lambda name: (columns[name], mean[name]))}


def _losses(rng: Generator, cheap: float, middling: float) -> tuple[pd.DataFrame, dict[str, int]]:
    """Losses of five encoders on days that are hard or easy for all of them, and their numbers of columns.

    ``target`` is worse than ``one-hot`` by ``cheap``, ``count`` by twice that, ``hashing`` by ``middling``.
    """
    days = int(rng.integers(30, 50))
    hard = rng.gamma(3.0, 0.06, days)

    def about(shift: float, noise: float) -> np.ndarray:
        wobble = rng.normal(0, noise, days)
        return hard + shift + wobble - wobble.mean()

    losses = {
        "ordinal": about(0.02, 0.002),
        "target": about(cheap, 0.002),
        "count": about(2 * cheap, 0.004),
        "hashing": about(middling, 0.006),
        "one-hot": about(0.0, 0.0005),
    }
    columns = {"ordinal": 1, "target": 1, "count": 1, "hashing": 32, "one-hot": 100}
    table = pd.DataFrame(losses, index=pd.date_range("2013-07-01", periods=days))
    return table[list(rng.permutation(list(losses)))], columns


# What several checks share


def _pair(parts: Any, what: str) -> tuple:
    assert isinstance(parts, tuple | list) and len(parts) == 2, (
        f"Return two {what}, of the training rows and of the new ones: this is {type_name(parts)}."
    )
    return tuple(parts)


def _frames(parts: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    pair = _pair(parts, "data frames")
    for table in pair:
        assert isinstance(table, pd.DataFrame), f"Return two data frames: one of the two is {type_name(table)}."
    return pair


def _matrix(values: Any) -> np.ndarray:
    values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    assert values.ndim == 2, f"A matrix has two dimensions: this is {type_name(values)} with {values.ndim}."
    return values.astype(float)
