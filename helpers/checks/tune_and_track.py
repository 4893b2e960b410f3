"""What the answers to the exercises of lesson 34 must do."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, type_name

# 34.1: a search space with scales and conditions

Range = tuple[float, float, str]
SPACES: dict[str, dict[str, Range]] = {
    "boosting": {
        "learning_rate": (0.01, 0.5, "log"),
        "max_leaf_nodes": (4, 64, "log"),
        "max_features": (0.2, 1.0, "linear"),
    },
    "logistic": {"strength": (1e-4, 10.0, "log")},
}


class Dial:
    """A trial that answers every question with the same place in the range that it is given, 0 (low) to 1 (high)."""

    def __init__(self, family: str, place: float) -> None:
        """Take the family that is chosen and the place of each number in its range."""
        self.family, self.place, self.number = family, place, 0
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The family where it is among the choices, otherwise the first of them."""
        self.params[name] = self.family if self.family in choices else choices[0]
        return self.params[name]

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """The value at the dial's place; a step makes the range coarse and is not wanted."""
        self.params[name] = low if step else at(low, high, log, self.place)
        return self.params[name]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """The whole number nearest to the dial's place."""
        self.params[name] = low if step != 1 else round(at(low, high, log, self.place))
        return self.params[name]


def at(low: float, high: float, log: bool, place: float) -> float:
    """The value at a place (0 to 1) of a range, on its scale."""
    return low * (high / low) ** place if log else low + (high - low) * place


@check("34.1")
def check_suggest(suggest, rng: Generator) -> None:
    """Turn a dial to the ends and to places between them, for both families."""
    for family, space in SPACES.items():
        for place in (0.0, 1.0, *rng.uniform(0.3, 0.7, 2)):
            dial = Dial(family, float(place))
            found = suggest(dial)
            assert isinstance(found, dict), f"Return the settings as a dict: this is {type_name(found)}."
            _assert_names(family, space, found, dial)
            for name, (low, high, scale) in space.items():
                _assert_drawn(name, found[name], low, high, scale, dial.place)


def _assert_names(family: str, space: dict[str, Range], found: dict, dial: Dial) -> None:
    assert "family" in dial.params, 'The family is not drawn: ask the trial for a category named "family".'
    spare = sorted(set(dial.params) - {"family", *space})
    assert not spare, (
        f"A {family} trial also draws {', '.join(map(repr, spare))}, which changes nothing in it: the search would "
        "learn from noise. Draw a parameter only where it is used, under its own name."
    )
    absent = sorted(set(space) - set(dial.params))
    assert not absent, f"A {family} trial does not draw {', '.join(map(repr, absent))}."
    assert set(found) == {"family", *space} and found["family"] == family, (
        f"For the family {family!r} the dict has the keys {sorted(map(str, found))}: it holds the family that was "
        "drawn and that family's parameters, and no others."
    )


def _assert_drawn(name: str, value: Any, low: float, high: float, scale: str, place: float) -> None:
    value = float(value)
    expected, other = (at(low, high, scale == wanted, place) for wanted in ("log", "linear"))
    whole = 0.51 if name == "max_leaf_nodes" else 1e-9 * high
    if place in (0.0, 1.0):
        assert abs(value - expected) <= whole, (
            f"The {'lowest' if place == 0 else 'highest'} {name} that the search can draw is {value:g}: that is not "
            "the end of the range that was asked for."
        )
        return
    assert abs(value - expected) <= whole or abs(value - other) > whole, (
        f"At {place:.0%} of its range {name} is {value:.3g}. Think of where it needs resolution: "
        + ("every doubling shall be as likely as any other." if scale == "log" else "equal steps shall be equal.")
    )
    assert abs(value - expected) <= whole, (
        f"At {place:.0%} of its range {name} is {value:.3g}: draw from the whole range, without coarse steps."
    )
    assert name != "max_leaf_nodes" or value == round(value), f"{name} is {value:g}: leaves are counted whole."


# 34.2: a space that cannot express the answer


@check("34.2")
def check_widen(widen, rng: Generator) -> None:
    """Search spaces whose best fifth stands at the low end, at the high end, in the middle and at a hard limit."""
    for finished in (30, 32):
        space, trials, limits = _searched(rng, finished)
        given = copy.deepcopy((space, trials, limits))
        found = widen(space, trials, limits)
        assert space == given[0] and trials.equals(given[1]), "What was passed in has changed: build a new space."
        assert isinstance(found, dict) and set(found) == set(space), (
            f"Return a dict with all parameters of the space, {sorted(space)}: this is {type_name(found)}"
            + (f" with {sorted(map(str, found))}." if isinstance(found, dict) else ".")
        )
        for name in space:
            _assert_range(name, found[name], *given)


def _assert_range(name: str, found: Any, space: dict, trials: pd.DataFrame, limits: dict) -> None:
    assert isinstance(found, tuple | list) and len(found) == 3, f"A range is (low, high, scale): {name} has {found!r}."
    low, high, scale = space[name]
    lower, upper, kept = float(found[0]), float(found[1]), found[2]
    assert kept == scale, f"The scale of {name} has become {kept!r}: a wider range keeps it."
    assert lower <= low and upper >= high, f"The range of {name} has become narrower: only widen."
    lowest, highest = limits[name]
    assert lower >= lowest - 1e-9 and upper <= highest + 1e-9, (
        f"{name} can now be from {lower:g} to {upper:g}, and the limits of what it can be are {lowest:g} and "
        f"{highest:g}."
    )
    place = _median_place(name, space, trials)
    end = "low" if place < 0.1 else "high" if place > 0.9 else ""
    expected = _slow_range(low, high, scale, end, lowest, highest)
    moved = {"low": lower < low - 1e-9 * abs(low), "high": upper > high + 1e-9 * abs(high)}
    for side, what in moved.items():
        assert not what or side == end, (
            f"The {side} end of {name} ({scale}) was moved, though the best fifth of the finished trials has its "
            f"median at {place:.2f} of the range: measure the place on the parameter's own scale, among the trials "
            "with the highest scores."
        )
    assert not end or moved[end] or expected[:2] == (low, high), (
        f"The {end} end of {name} ({scale}) was left, and the best fifth of the finished trials crowds there, with "
        f"its median at {place:.2f} of the range."
    )
    assert math.isclose(lower, expected[0], rel_tol=1e-6, abs_tol=1e-9) and math.isclose(
        upper, expected[1], rel_tol=1e-6, abs_tol=1e-9
    ), (
        f"{name} ({scale}) now reaches from {lower:g} to {upper:g}: move the end by one width of the old range, as "
        "its own scale counts width, and stop at the limit."
    )


def _median_place(name: str, space: dict, trials: pd.DataFrame) -> float:
    """Row by row: the places of the best fifth, sorted, and the middle one of them."""
    low, high, scale = space[name]
    rows = [row for row in trials.to_dict("records") if row["score"] == row["score"]]
    rows.sort(key=lambda row: -row["score"])
    best = rows[: math.ceil(len(rows) / 5)]
    bend = math.log if scale == "log" else float
    places = sorted((bend(row[name]) - bend(low)) / (bend(high) - bend(low)) for row in best)
    middle = len(places) // 2
    return places[middle] if len(places) % 2 else (places[middle - 1] + places[middle]) / 2


def _slow_range(low: float, high: float, scale: str, end: str, lowest: float, highest: float) -> Range:
    if end == "low":
        low = max(low * low / high if scale == "log" else low - (high - low), lowest)
    elif end == "high":
        high = min(high * high / low if scale == "log" else high + (high - low), highest)
    return low, high, scale


def _searched(rng: Generator, finished: int) -> tuple[dict, pd.DataFrame, dict]:
    """So many finished trials and some pruned ones; each parameter's best values stand in another place."""
    # name: range, hard limits, where the good values are (place in the range, on its scale), how wide they spread
    plan = {
        "learning_rate": ((0.02, 0.4, "log"), (1e-6, 1.0), 0.02),
        "max_leaf_nodes": ((8.0, 256.0, "log"), (2.0, 4096.0), 0.25),
        "max_features": ((0.2, 0.7, "linear"), (0.05, 1.0), 0.98),
        "regularisation": ((1.0, 100.0, "linear"), (0.0, 1000.0), 0.02),
        "row_share": ((0.5, 1.0, "linear"), (0.05, 1.0), 0.99),
        "rounds": ((40.0, 640.0, "log"), (1.0, 100_000.0), 0.98),
        "smoothing": ((1.0, 1000.0, "log"), (0.1, 1e5), 0.5),
    }
    count = int(rng.integers(36, 45))
    scores = rng.normal(0.74, 0.004, count)
    pruned = rng.permutation(count)[: count - finished]
    best = np.argsort(-np.where(np.isin(np.arange(count), pruned), -np.inf, scores))
    best = best[: math.ceil(finished / 5)]
    columns = {}
    for name, ((low, high, scale), _, middle) in plan.items():
        place = rng.uniform(0.0, 1.0, count)
        # One of the best stands far off, so that neither the single best nor the mean tells.
        near = np.clip(middle + rng.uniform(-0.02, 0.02, len(best)), 0.0, 1.0)
        near[rng.integers(2) * (len(best) - 1)] = 1.0 - middle if abs(middle - 0.5) > 0.1 else 0.99
        place[best] = near
        place[pruned] = 1.0 - middle  # trials without a score say nothing
        columns[name] = [at(low, high, scale == "log", share) for share in place]
    plan |= {name: ((0.0, 10.0, "linear"), (-50.0, 50.0), 0.5) for name in ("lower_line", "upper_line", "count")}
    columns |= {"lower_line": np.full(count, 1.0), "upper_line": np.full(count, 9.0)}  # exactly .1 and .9
    columns["count"] = _low_for_a_fifth(best, count)
    scores[pruned] = np.nan
    trials = pd.DataFrame(columns | {"score": scores}, index=rng.permutation(count) + 100)
    return {name: row[0] for name, row in plan.items()}, trials, {name: row[1] for name, row in plan.items()}


def _low_for_a_fifth(best: np.ndarray, count: int) -> np.ndarray:
    """Values from 0 to 10 whose median is low among just these best trials, and not among one fewer or some more."""
    odd = len(best) % 2
    values = np.full(count, 5.0 if odd else 1.5)
    values[best[: len(best) // 2 - 1 + odd]] = 0.2
    values[best[-1]] = 0.2
    return values


# 34.3: a report that flatters


@check("34.3")
def check_honest_report(honest_report, rng: Generator) -> None:
    """Report searches without any gain, with a real one, and with a gain that comes only in the last fold."""
    luck = []
    for _ in range(8):
        scores = _fold_scores(rng, settings=25)
        luck.append(_assert_report(honest_report, scores)["delivered"])
    assert np.mean(luck) < 0.002, (
        f"Settings that are all alike deliver {np.mean(luck):+.4f} on average: a fold must have no part in the choice "
        "that it examines."
    )
    real = _fold_scores(rng, settings=25)
    real.iloc[7] += 0.02
    late = _fold_scores(rng, settings=25)
    late.loc[late.index[9], late.columns.max()] += 0.05
    for scores in (real, late, _tied_scores(rng)):
        _assert_report(honest_report, scores)


def _assert_report(honest_report: Callable, scores: pd.DataFrame) -> dict:
    before = scores.copy()
    found = honest_report(scores)
    assert scores.equals(before), "The scores that were passed in have changed: work on a copy."
    assert isinstance(found, dict), f"Return a dict with chosen, claimed and delivered: this is {type_name(found)}."
    for name in ("chosen", "claimed", "delivered"):
        assert name in found, f"The dict has no {name!r}; it has {sorted(map(str, found))}."
    expected = _slow_report(scores)
    assert found["chosen"] == expected["chosen"], (
        f"The setting to ship is {found['chosen']!r} and should be {expected['chosen']!r}: the one with the highest "
        "mean over all folds, and of equal ones the upper row."
    )
    assert abs(float(found["claimed"]) - expected["claimed"]) < 1e-9, (
        f"The claimed gain is {float(found['claimed']):+.5f} and should be {expected['claimed']:+.5f}: over all folds, "
        "the mean of the chosen setting less the mean of the default."
    )
    delivered = float(found["delivered"])
    assert delivered == delivered, (
        "The delivered gain is NaN: the first fold in time has nothing before it to choose on."
    )
    assert abs(delivered - expected["delivered"]) < 1e-9 or abs(delivered - expected["claimed"]) > 1e-9, (
        f"The delivered gain equals the claimed one, {delivered:+.5f}: each fold has examined a choice that it took "
        "part in. Choose on the folds before it."
    )
    lower = _slow_report(scores.iloc[::-1])["delivered"]
    assert abs(delivered - expected["delivered"]) < 1e-9 or abs(delivered - lower) > 1e-9, (
        f"The delivered gain is {delivered:+.5f}: where settings had equal means before a fold, the lower row was "
        "taken, and the upper row counts."
    )
    others = _slow_report(scores, later_too=True)["delivered"]
    assert abs(delivered - expected["delivered"]) < 1e-9 or abs(delivered - others) > 1e-9, (
        f"The delivered gain is {delivered:+.5f}: that is a choice on all other folds, and some of them lie in the "
        "future of the fold that is examined."
    )
    in_file_order = _slow_report(scores, columns=list(scores.columns))["delivered"]
    assert abs(delivered - expected["delivered"]) < 1e-9 or abs(delivered - in_file_order) > 1e-9, (
        f"The delivered gain is {delivered:+.5f}: that takes the columns as they stand, which is not the order of time."
    )
    assert abs(delivered - expected["delivered"]) < 1e-9, (
        f"The delivered gain is {delivered:+.5f} and should be {expected['delivered']:+.5f}: for each fold but "
        "the first in time, the setting with the highest mean before it (of equal ones the upper row), its score less "
        "the default's on that fold; then the mean."
    )
    return found


def _slow_report(scores: pd.DataFrame, later_too: bool = False, columns: list | None = None) -> dict:
    score = scores.T.to_dict()  # setting -> exam -> score

    def best_on(exams: list) -> Any:
        means = {name: sum(row[exam] for exam in exams) / len(exams) for name, row in score.items()}
        return max(means, key=means.get)

    exams = columns or sorted(scores.columns)
    chosen = best_on(exams)
    gains = []
    for number, exam in enumerate(exams):
        seen = [other for other in exams if other != exam] if later_too else exams[:number]
        if seen:
            gains.append(score[best_on(seen)][exam] - score["default"][exam])
    claimed = sum(score[chosen][exam] - score["default"][exam] for exam in exams) / len(exams)
    return {"chosen": chosen, "claimed": claimed, "delivered": sum(gains) / len(gains)}


def _fold_scores(rng: Generator, settings: int) -> pd.DataFrame:
    """Scores of settings that are all alike, on five folds of different difficulty, their columns shuffled."""
    folds = pd.to_datetime(["2013-03-01", "2013-04-01", "2013-05-01", "2013-06-01", "2013-07-01"])
    noise = rng.normal(0.0, 0.003, (settings, len(folds)))
    names = [f"trial {number}" for number in range(settings)]
    names[int(rng.integers(settings))] = "default"
    table = pd.DataFrame(noise + rng.uniform(0.68, 0.78, len(folds)), names, folds)
    shuffled = rng.permutation(len(folds))
    while shuffled.tolist() in (sorted(shuffled), sorted(shuffled)[::-1]):
        shuffled = rng.permutation(len(folds))
    return table.iloc[:, shuffled]


def _tied_scores(rng: Generator) -> pd.DataFrame:
    """Scores of which some share the highest mean; eighths, so that what is equal is equal to the last bit."""
    scores = _fold_scores(rng, settings=8)
    scores[:] = 0.5
    first, second, third = np.flatnonzero(scores.index != "default")[[1, 3, 5]]
    in_time = sorted(scores.columns)
    scores.iloc[[first, second], scores.columns.get_loc(in_time[0])] = 0.75
    scores.iloc[first, scores.columns.get_loc(in_time[1])] = 0.625
    scores.iloc[[second, third], scores.columns.get_loc(in_time[2])] = [0.625, 0.875]
    return scores


# 34.4: successive halving


@check("34.4")
def check_successive_halving(successive_halving, rng: Generator) -> None:
    """Count the calls of a score that is noisy at small budgets, has ties, and fails for some settings."""
    for count, budgets in ((8, [1, 2, 4]), (7, [10, 30, 90, 270]), (1, [5]), (int(rng.integers(9, 14)), [2, 3])):
        settings, table = _scored(rng, count, budgets)
        calls: list[tuple[int, float]] = []

        def score(setting: dict, budget: float, table: dict = table, calls: list = calls) -> float:
            calls.append((setting["id"], budget))
            return table[setting["id"], budget]

        given = copy.deepcopy(settings)
        found = successive_halving(score, settings, list(budgets))
        assert settings == given, "The settings that were passed in have changed: work on a copy of the list."
        assert isinstance(found, tuple | list) and len(found) == 2, (
            f"Return the winner and the budget spent: this is {type_name(found)}."
        )
        _assert_halving(found, calls, settings, table, budgets)


def _assert_halving(found: Sequence, calls: list, settings: list[dict], table: dict, budgets: list) -> None:
    winner, spent = found
    twice = len(calls) - len(set(calls))
    assert not twice, f"{twice} scores were asked for twice: each costs its budget. Keep what you have measured."
    expected, rungs = _slow_halving(settings, table, budgets)
    for budget, survivors in zip(budgets, rungs, strict=True):
        asked = {number for number, paid in calls if paid == budget}
        assert len(asked) == len(survivors), (
            f"{len(asked)} settings were scored with the budget {budget}, and {len(survivors)} should be: all in the "
            "first round, then the better half of those before, rounded up."
        )
        assert asked == set(survivors), (
            f"Not the right settings were scored with the budget {budget}: the better half has the higher scores *of "
            "the round before*; NaN is worse than any score, and of equal ones the earlier in the list stays."
        )
    assert isinstance(winner, dict) and winner.get("id") == expected, (
        "The winner is not the setting with the highest score in the last round (of equal ones, the earlier in the "
        "list)."
    )
    paid = sum(budget for _, budget in calls)
    assert abs(float(spent) - paid) < 1e-9, (
        f"The calls have cost {paid:g} in all, and the answer says {float(spent):g}."
    )


def _slow_halving(settings: list[dict], table: dict, budgets: list) -> tuple[int, list[list[int]]]:
    alive, rungs = [setting["id"] for setting in settings], []
    for budget in budgets:
        rungs.append(list(alive))
        rank = {number: (-_lowest(table[number, budget]), place) for place, number in enumerate(alive)}
        better = sorted(alive, key=lambda number: rank[number])
        keep = better[: math.ceil(len(alive) / 2)]
        alive = [number for number in alive if number in keep]
    return better[0], rungs


def _lowest(score: float) -> float:
    return -math.inf if score != score else score


def _scored(rng: Generator, count: int, budgets: list) -> tuple[list[dict], dict]:
    """Settings with numbers as names, and a score for each budget; some are tied, some are NaN."""
    settings = [{"id": int(number), "learning_rate": 0.1} for number in rng.permutation(100)[:count]]
    table = {}
    for budget in budgets:
        # Negative, so that a NaN taken for 0 would win; rounded, so that there are ties.
        scores = np.round(rng.normal(-5.0, 1.0, count))
        if count > 3:
            scores[rng.permutation(count)[:2]] = np.nan
            low, high = np.sort(rng.permutation(count)[:2])
            scores[high] = scores[low]
        table |= {(setting["id"], budget): float(score) for setting, score in zip(settings, scores, strict=True)}
    return settings, table


# 34.5: the run behind a number


@check("34.5")
def check_find_runs(find_runs, rng: Generator) -> None:
    """Look for numbers that one run, several and no run print, among failed runs and runs of another search."""
    for _ in range(2):
        runs, asked = _logged(rng)
        before = runs.copy()
        for metric, printed in asked:
            found = find_runs(runs, metric, printed)
            assert runs.equals(before), "The table that was passed in has changed: work on a copy."
            assert isinstance(found, list | tuple), f"Return a list of dicts: this is {type_name(found)}."
            _assert_runs(list(found), runs, metric, printed)


def _assert_runs(found: list, runs: pd.DataFrame, metric: str, printed: str) -> None:
    for entry in found:
        assert isinstance(entry, dict) and set(entry) == {"run_id", "data_digest"}, (
            f"Each entry is a dict with run_id and data_digest: this is {entry!r}."
        )
    names, rows = [entry["run_id"] for entry in found], {row["run_id"]: row for row in runs.to_dict("records")}
    unknown = [name for name in names if name not in rows]
    assert not unknown, f"There is no run {unknown[:1]}."
    broken = [name for name in names if rows[name]["status"] != "FINISHED"]
    assert not broken, (
        f"{len(broken)} of the runs found for {printed} did not finish: what a failed run logged last is no result."
    )
    column, expected = f"metrics.{metric}", _slow_runs(runs, metric, printed)
    extra = [rows[name][column] for name in names if name not in [entry["run_id"] for entry in expected]]
    assert not extra, (
        f"A run with {metric} {extra[0]:.6f} was found for {printed}: it does not print as that number with that many "
        "decimals."
    )
    missed = [rows[entry["run_id"]][column] for entry in expected if entry["run_id"] not in names]
    assert not missed, f"A finished run with {metric} {missed[0]:.6f} prints as {printed} and was not found."
    assert names == [entry["run_id"] for entry in expected], (
        f"The {len(names)} runs found for {printed} are the right ones in the wrong order: by "
        "start_time, the first first."
    )
    for entry, right in zip(found, expected, strict=True):
        digest = entry["data_digest"]
        assert digest == right["data_digest"] or (right["data_digest"] is None and digest != digest), (
            f"A run has the data digest {digest!r} and should have {right['data_digest']!r}: its own tag, else its "
            "parent's, else None."
        )


def _slow_runs(runs: pd.DataFrame, metric: str, printed: str) -> list[dict]:
    decimals = len(printed.split(".")[1])
    rows = sorted(runs.to_dict("records"), key=lambda row: row["start_time"])
    digests = {row["run_id"]: row["tags.data_digest"] for row in rows}
    found = []
    for row in rows:
        value = row[f"metrics.{metric}"]
        if row["status"] != "FINISHED" or value != value or f"{value:.{decimals}f}" != printed:
            continue
        own, parent = row["tags.data_digest"], row["tags.mlflow.parentRunId"]
        digest = own if isinstance(own, str) else digests.get(parent)
        found.append({"run_id": row["run_id"], "data_digest": digest if isinstance(digest, str) else None})
    return found


def _logged(rng: Generator) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Two searches with their trials, in no order, one with a digest of its own; metrics and numbers to find."""
    rows: list[dict] = []

    def log(auc: float, status: str, parent: str | None, digest: str | None) -> str:
        name = "".join(rng.choice(list("0123456789abcdef"), 12))
        row = {"run_id": name, "status": status, "metrics.auc": auc, "tags.mlflow.parentRunId": parent}
        rows.append(row | {"tags.data_digest": digest})
        return name

    for digest in ("d1a7", "9c0e"):
        parent = log(np.nan, "FINISHED", None, digest)
        for number in range(12):
            auc = float(rng.choice([0.741, 0.742, 0.743]) + rng.uniform(-0.0004, 0.0004))
            log(auc, "FAILED" if number % 5 == 4 else "FINISHED", parent, "5e1f" if number == 3 else None)
    lonely = float(0.7300 + rng.uniform(0.0001, 0.0004))
    log(lonely, "FINISHED", None, None)
    log(0.74995, "FINISHED", None, "d1a7")  # prints as 0.750, and starts with 0.749
    table = pd.DataFrame(rows)
    table["metrics.brier"] = np.where(table["metrics.auc"].isna(), np.nan, rng.uniform(0.1416, 0.1434, len(table)))
    start = pd.Timestamp("2013-09-01", tz="UTC") + pd.to_timedelta(rng.permutation(len(table)), unit="min")
    table = table.assign(start_time=start).sample(frac=1, random_state=rng)
    for_auc = ["0.742", "0.743", "0.750", "0.749", "0.999", "0.7", f"{lonely:.4f}", f"{table['metrics.auc'].max():.6f}"]
    return table, [*(("auc", printed) for printed in for_auc), ("brier", "0.142"), ("brier", "0.143")]


# 34.6: another trial?


@check("34.6")
def check_when_to_stop(when_to_stop, rng: Generator) -> None:
    """Searches that still gain, that only have luck, whose gain is not worth its price, and exact ties."""
    for case in ("gains", "luck", "pruned"):
        scores, equal, k = _history(rng, case)
        gain = _slow_stop(scores, equal, k)["gain"]
        price = float(rng.uniform(0.5, 3.0))
        for worth in (0.6, 1.6):
            _assert_stop(when_to_stop, scores, equal, k, price, worth * k * price / gain)
    # Powers of two, so that what is equal is equal to the last bit.
    _assert_stop(when_to_stop, [0.25, 0.5, 0.75, 0.5], [0.5, 0.5], 2, 1.0, 8.0)
    _assert_stop(when_to_stop, [0.25, 0.5, 0.5, 0.25], [0.5, 0.5], 2, 0.0, 8.0)
    _assert_stop(when_to_stop, [0.0, 0.25], [0.0, 1.0], 1, 0.125, 8.0)


def _assert_stop(
    when_to_stop: Callable, scores: list[float], equal: list[float], k: int, price: float, worth: float
) -> None:
    found = when_to_stop(list(scores), list(equal), k, price, worth)
    assert isinstance(found, dict), f"Return a dict with gain, luck and stop: this is {type_name(found)}."
    for name in ("gain", "luck", "stop"):
        assert name in found, f"The dict has no {name!r}; it has {sorted(map(str, found))}."
    expected = _slow_stop(scores, equal, k)
    gain, luck = float(found["gain"]), float(found["luck"])
    assert gain == gain and luck == luck, "A number is NaN: a pruned trial has no score, and is none of the draws."
    assert abs(gain - expected["gain"]) < 1e-9, (
        f"The gain of the last trials is {gain:+.5f} and should be {expected['gain']:+.5f}: the best of all trials "
        "less the best before the last k."
    )
    right = abs(luck - expected["luck"]) < 1e-9
    assert right or abs(luck - expected["alone"]) > 1e-9, (
        f"The luck is {luck:.5f}: that is what the best of k equal models has over their mean. They compete with the "
        "best of many already; take the difference of two expected bests."
    )
    assert right or abs(luck - expected["counted"]) > 1e-9, (
        f"The luck is {luck:.5f}: that counts pruned trials as draws, and they have no score."
    )
    assert right, (
        f"The luck is {luck:.5f} and should be {expected['luck']:.5f}: the expected best of as many draws as trials "
        "have a score, less that of as many as had one before the last k, by the formula."
    )
    stop = not (expected["gain"] > expected["luck"] and expected["gain"] * worth > k * price)
    assert bool(found["stop"]) == stop, (
        f"The last trials gained {expected['gain']:.5f}, luck alone {expected['luck']:.5f}; the gain is worth "
        f"{expected['gain'] * worth:.2f} euros and has cost {k * price:.2f}: stop is {found['stop']}. Go on only if "
        "the gain is above the luck and its worth above its price."
    )


def _slow_stop(scores: Sequence[float], equal: Sequence[float], k: int) -> dict[str, float]:
    def expected_best(count: int) -> float:
        values = sorted(equal)
        n = len(values)
        return sum(v * (((i + 1) / n) ** count - (i / n) ** count) for i, v in enumerate(values))

    finished = [score for score in scores if score == score]
    earlier = [score for score in scores[:-k] if score == score]
    return {
        "gain": max(finished) - max(earlier),
        "luck": expected_best(len(finished)) - expected_best(len(earlier)),
        "alone": expected_best(k) - sum(equal) / len(equal),
        "counted": expected_best(len(scores)) - expected_best(len(scores) - k),
    }


def _history(rng: Generator, case: str) -> tuple[list[float], list[float], int]:
    """Scores of trials in order, scores of equal models, and how many trials count as the last."""
    k, before = int(rng.integers(5, 12)), int(rng.integers(12, 25))
    equal = rng.normal(0.742, 0.001, int(rng.integers(20, 40)))
    scores = rng.normal(0.740, 0.003, before + k)
    top = scores[:before].max()
    scores[before:] = np.minimum(scores[before:], top - 0.0005)
    if case == "gains":
        scores[before + int(rng.integers(k))] = top + 0.004
    elif case == "luck":
        scores[before + int(rng.integers(k))] = top + 1e-5
    elif case == "pruned":
        scores[rng.permutation(before)[:5]] = np.nan
        scores[before + 1] = np.nan
        scores[-1] = np.nanmax(scores) + 0.003
    return scores.tolist(), equal.tolist(), k
