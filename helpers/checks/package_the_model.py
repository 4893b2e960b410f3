"""What the answers to the exercises of lesson 51 must do."""

import copy
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, one_number_a_row, type_name

# 51.1: settings in layers

DEFAULTS: dict[str, Any] = {"miss": 5.0, "months": 6, "dry_run": True, "carrier": "UA", "verbose": False}
# What a source gives for a setting, and the value that is meant; _REFUSED where none is.
_REFUSED = object()
IN_FILE = {
    "miss": [(4, 4.0), (2.5, 2.5), ("4", _REFUSED), (True, _REFUSED)],
    "months": [(3, 3), (3.0, _REFUSED), (True, _REFUSED), ("3", _REFUSED)],
    "dry_run": [(False, False), (0, _REFUSED), ("false", _REFUSED)],
    "carrier": [("B6", "B6"), (6, _REFUSED)],
}
IN_ENVIRONMENT = {
    "miss": [("3.5", 3.5), ("7", 7.0), ("much", _REFUSED)],
    "months": [("9", 9), ("9.5", _REFUSED), ("six", _REFUSED)],
    "dry_run": [("false", False), ("FALSE", False), ("no", _REFUSED), ("0", _REFUSED), ("", _REFUSED)],
    "verbose": [("True", True), ("1", _REFUSED)],
    "carrier": [("DL", "DL"), ("7", "7")],
}


@check("51.1")
def check_settings(settings, rng: Generator) -> None:
    """Give each layer every kind of value, alone and above another one, good ones and bad ones."""
    for layer, cases in ((0, IN_FILE), (1, IN_ENVIRONMENT)):
        for name, values in cases.items():
            for given, meant in values:
                _assert_one(settings, rng, layer, name, given, meant)
    _assert_settings(settings, {"miss": 4}, {"RISK_MISS": "3", "MISS": "1", "risk_miss": "2"}, {"miss": 3.0})
    _assert_settings(settings, {}, {"PATH": "/bin", "MY_RISK_MISS": "9", "RISKY": "1"}, {})
    _assert_faults(settings, {"miss": "4"}, {"RISK_MISS": "3"}, {"miss": "4"})
    _assert_faults(settings, {"mis": 4}, {}, {"mis": "4"})
    _assert_faults(settings, {}, {"RISK_MONTH": "4"}, {"month": "4"})
    _assert_faults(
        settings, {"months": 2.5, "mis": 7}, {"RISK_DRY_RUN": "si"}, {"months": "2.5", "mis": "7", "dry_run": "si"}
    )
    # A bad text is wrong also where the file has a good value, and one bad text does not hide the next.
    _assert_faults(settings, {"months": 3}, {"RISK_MONTHS": "six", "RISK_MISS": "much"}, {"months": "six"})
    _assert_faults(settings, {}, {"RISK_MISS": "much", "RISK_MONTHS": "six"}, {"miss": "much", "months": "six"})
    _assert_faults(settings, {}, {"RISK_MISS": "much", "INDEX_TOKEN": "hush"}, {"miss": "much"})


def _assert_one(settings: Callable, rng: Generator, layer: int, name: str, given: Any, meant: Any) -> None:
    """One value in one layer, with a good value of another setting beside it."""
    sources: tuple[dict, dict] = ({}, {})
    sources[layer][f"RISK_{name.upper()}" if layer else name] = given
    if name != "carrier":
        sources[0]["carrier"] = "".join(rng.choice(list("ABDEUV"), 2))
    if meant is _REFUSED:
        _assert_faults(settings, *sources, {name: str(given)})
    else:
        _assert_settings(settings, *sources, {"carrier": sources[0].get("carrier", "UA")} | {name: meant})


def _assert_settings(settings: Callable, file: dict, environ: dict, expected: dict) -> None:
    expected = DEFAULTS | expected
    defaults, case = dict(DEFAULTS), f"With the file {file} and the environment {environ}"
    try:
        found = settings(defaults, dict(file), dict(environ))
    except ValueError as error:
        raise AssertionError(f"{case} nothing is wrong, and a ValueError was raised: {error}") from None
    assert defaults == DEFAULTS, f"{case} the defaults that were passed in have changed: build a new dict."
    assert isinstance(found, dict), f"Return a dict: this is {type_name(found)}."
    assert set(found) == set(expected), (
        f"{case} the dict has the settings {sorted(found)}: give all that have a default."
    )
    for name, value in expected.items():
        assert found[name] == value, (
            f"{case} {name} is {found[name]!r}: the environment overrules the file, the file the default, and a text "
            "is read for what it says."
        )
        assert type(found[name]) is type(value), (
            f"{case} {name} is {found[name]!r}, {type_name(found[name])}: it has the type of its default, "
            f"{type(value).__name__}."
        )


def _assert_faults(settings: Callable, file: dict, environ: dict, faults: dict[str, str]) -> None:
    case = f"With the file {file} and the environment {environ}"
    try:
        found = settings(dict(DEFAULTS), dict(file), dict(environ))
    except ValueError as error:
        message = str(error)
    except Exception as error:
        raise AssertionError(f"{case} a {type(error).__name__} was raised: raise a ValueError that says why.") from None
    else:
        taken = {name: found.get(name) for name in faults} if isinstance(found, dict) else found
        raise AssertionError(
            f"{case} no error was raised, and {taken} came back: a value that does not fit, or a setting without a "
            "default, is refused."
        )
    for name, value in faults.items():
        assert name in message.lower() and value in message, (
            f"{case} the message is {message!r}: it names every setting that is wrong, with the value that was seen."
        )
    for variable, value in environ.items():
        assert variable.startswith("RISK_") or value not in message, (
            f"{case} the message is {message!r}: it goes into a log, so it shows no variable without the prefix."
        )


# 51.2: a model that learns once


@check("51.2")
def check_learn(learn, rng: Generator) -> None:
    """Ask in company and alone, before and after other models, with gaps, strangers and odd labels."""
    training, other = _wind_flights(rng, 80, "ABC"), _wind_flights(rng, 60, "ABD")
    asked = _wind_flights(rng, 12, "ABCDX").drop(columns="late")
    expected = _slow_forecast(training, asked)
    given, forecast = training.copy(), learn(training)
    assert callable(forecast), f"learn returns a function: this is {type_name(forecast)}."
    assert training.equals(given), "The training table that was passed in has changed: work on new series."
    _assert_close(_ask(forecast, asked), expected, asked, "")
    for label in asked.index:
        one = asked.loc[[label]]
        _assert_close(_ask(forecast, one), expected[asked.index == label], one, "asked alone, ")
    _assert_close(_ask(forecast, asked[::-1]), expected[::-1], asked[::-1], "asked in another order, ")
    windy = asked.assign(wind=asked.wind + 3)
    _assert_close(_ask(forecast, windy), _slow_forecast(training, windy), windy, "asked again with another wind, ")
    another = learn(other)
    _assert_close(_ask(another, asked), _slow_forecast(other, asked), asked, "by a second model, ")
    _assert_close(_ask(forecast, asked), expected, asked, "after another model was learnt, ")
    training["late"], training["wind"] = True, 99.0
    training["carrier"] = "X"
    _assert_close(_ask(forecast, asked), expected, asked, "after the training table has changed, ")


def _ask(forecast: Callable, asked: pd.DataFrame) -> np.ndarray:
    passed = asked.copy()
    answer = one_number_a_row(forecast(passed), "A forecast")
    assert passed.equals(asked), "forecast has written into the table that it was asked about: work on new series."
    assert len(answer) == len(asked), f"{len(asked)} flights were asked about, and {len(answer)} numbers came back."
    return answer


def _assert_close(found: np.ndarray, expected: np.ndarray, asked: pd.DataFrame, when: str) -> None:
    bad = np.flatnonzero(~(np.abs(found - expected) <= 1e-9))
    if len(bad):
        flight = asked.iloc[bad[0]]
        wind = "a missing wind" if math.isnan(flight.wind) else f"wind {flight.wind:.1f}"
        known = "a carrier that the training has" if flight.carrier in "ABC" else "a new carrier"
        raise AssertionError(
            f"A flight of {known} with {wind}, {when}gets {found[bad[0]]:.4f}, which is not what the training flights "
            "teach: everything comes from them, once, and stays."
        )


def _slow_forecast(training: pd.DataFrame, asked: pd.DataFrame) -> np.ndarray:
    winds = sorted(wind for wind in training.wind if wind == wind)
    mean, middle = sum(winds) / len(winds), len(winds) // 2
    median = winds[middle] if len(winds) % 2 else (winds[middle - 1] + winds[middle]) / 2
    deviation = (sum((wind - mean) ** 2 for wind in winds) / (len(winds) - 1)) ** 0.5
    answers = []
    for flight in asked.itertuples():
        own = [row.late for row in training.itertuples() if row.carrier == flight.carrier] or list(training.late)
        wind = flight.wind if flight.wind == flight.wind else median
        answers.append(sum(own) / len(own) + 0.05 * (wind - mean) / deviation)
    return np.array(answers)


def _wind_flights(rng: Generator, count: int, carriers: str) -> pd.DataFrame:
    """Flights with gaps in the wind and labels that are not 0, 1, 2."""
    wind = rng.gamma(3, 4, count).round(1)
    wind[rng.permutation(count)[: count // 4]] = np.nan
    carrier = [*carriers, *rng.choice(list(carriers), count - len(carriers))]
    late = rng.random(count) < np.where(np.isin(carrier, ["A"]), 0.6, 0.2)
    labels = rng.permutation(np.arange(1000, 1000 + 3 * count))[:count]
    return pd.DataFrame({"carrier": carrier, "wind": wind, "late": late}, index=labels)


# 51.3: behavioural tests as a function


@check("51.3")
def check_violations(violations, rng: Generator) -> None:
    """Move forecasts by known amounts in both directions, at the tolerance and beyond, and leave some out."""
    forms = (list, np.asarray, lambda values: pd.Series(values, index=range(5, 5 + len(values))))
    for form, change in zip(forms, (_in_place, _anew, _anew), strict=True):
        for tolerance in (0.0, 0.125):
            flights, moves = _moving_flights(rng, tolerance)
            for sense in ("same", "up", "down"):
                expected = _slow_violations(flights, moves, sense, tolerance)
                _assert_violations(violations, flights, form, change, sense, tolerance, expected)


def _in_place(table: pd.DataFrame) -> pd.DataFrame:
    table["wind"] = 10.0
    return table


def _anew(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(wind=10.0)


def _moving_flights(rng: Generator, tolerance: float) -> tuple[pd.DataFrame, dict[Any, float]]:
    """Flights whose forecast is `risk`, and by how much it moves when their wind is changed (NaN: it is missing then).

    A missing `risk` is missing before only.
    """
    step = tolerance or 0.25
    beyond = tolerance + 2**-20
    kinds = [0.0, step, -step, 2 * step, -2 * step, step / 2, -step / 2, beyond, -beyond, math.nan]
    moves = rng.permutation([*kinds, *rng.choice(kinds, 6)])
    labels = [f"f{number}" for number in rng.permutation(len(moves))]
    risk = rng.integers(20, 40, len(moves)) / 64
    risk[int(rng.integers(len(moves)))] = math.nan
    table = pd.DataFrame({"risk": risk, "move": moves, "wind": 0.0}, index=labels)
    return table, dict(zip(labels, moves, strict=True))


def _slow_violations(flights: pd.DataFrame, moves: dict, sense: str, tolerance: float) -> list:
    found = []
    for label, risk in flights.risk.items():
        move = moves[label]
        missing = risk != risk or move != move
        too_high, too_low = move > tolerance, move < -tolerance
        if missing or (sense != "up" and too_high) or (sense != "down" and too_low):
            found.append(label)
    return found


def _assert_violations(
    violations: Callable,
    flights: pd.DataFrame,
    form: Callable,
    change: Callable,
    sense: str,
    tolerance: float,
    expected: list,
) -> None:
    def ask(table: pd.DataFrame) -> Any:
        calm = table.wind == 0
        risk = table.risk.where(calm, table.risk.fillna(0.5))
        answer = form((risk + table.move.where(~calm, 0.0)).tolist())
        table["risk"] = 0.0  # a model that writes into what it is asked about
        return answer

    given = flights.copy()
    found = violations(ask, given, change, sense, tolerance)
    assert given.equals(flights), (
        "The flights that were passed in have changed: neither `ask` nor `change` can be trusted with them, so give "
        "away copies."
    )
    assert isinstance(found, list), f"Return a list of index labels: this is {type_name(found)}."
    case = f'With sense "{sense}" and tolerance {tolerance:g}'
    for label in found:
        assert label in flights.index, f"{case} {label!r} is returned, which is no index label of the flights."
    for label in expected:
        row = flights.loc[label]
        what = "is missing" if math.isnan(row.risk + row.move) else f"moves by {row.move:+g}"
        assert label in found, f"{case} a flight whose forecast {what} is not among the violations."
    for label in found:
        assert label in expected, f"{case} a flight whose forecast moves by {flights.move[label]:+g} is no violation."
    assert found == expected, (
        f"{case} the labels are right and their order is not: keep that of the flights, each once."
    )


# 51.4: a pipeline

STAGES = ["install", "lint", "test", "build", "publish"]
LOCK = "${{ hashFiles('requirements.txt') }}"
LOCKED = "pip install --require-hashes -r requirements.txt"
SECRET = "${{ secrets.INDEX_TOKEN }}"
GREP = "! grep -rn -e ' || true' -e 'pip install [^-]' .github"
SOUND: list[dict[str, Any]] = [
    {
        "stage": "install",
        "name": "packages",
        "run": [LOCKED, f"{LOCKED} tools.txt", "pip check"],
        "cache-key": f"pip-{LOCK}-linux",
    },
    {"stage": "lint", "name": "ruff", "run": ["echo no secrets here", GREP, "ruff check"]},
    {"stage": "test", "name": "unit", "run": ["pytest tests/unit"]},
    {"stage": "test", "name": "behaviour", "run": ["flightrisk train", "pytest tests/behaviour"]},
    {"stage": "build", "name": "wheel", "run": [LOCKED, "uv build --wheel"]},
    {"stage": "publish", "name": "index", "run": [f"uv publish --token {SECRET} && echo published"]},
]


@check("51.4")
def check_mend(mend, rng: Generator) -> None:
    """Give it a sound pipeline, pipelines with one kind of fault each, and one with all of them."""
    faults = [_disorder, _swallow, _continue, _forget_lock, _unlock, _leak]
    for chosen in ([], *([fault] for fault in faults), faults):
        steps = copy.deepcopy(SOUND)
        for fault in chosen:
            steps = fault(steps, rng)
        _assert_mended(mend, steps)
    for key in ("pip-linux", "requirements.txt", "pip-${{ hashFiles('pyproject.toml') }}"):
        _assert_mended(mend, [{**SOUND[0], "cache-key": key}])


def _disorder(steps: list, rng: Generator) -> list:
    unit = int(rng.integers(2))  # also the two tests may stand in either order
    return [steps[place] for place in ((5, 3, 0, 4, 2, 1) if unit else (4, 2, 5, 1, 3, 0))]


def _swallow(steps: list, rng: Generator) -> list:
    for step in steps:
        step["run"] = [f"{command} || true" for command in step["run"]]
    return steps


def _continue(steps: list, rng: Generator) -> list:
    for step in steps:
        if step["stage"] in ("test", "build"):
            step["continue-on-error"] = step["stage"] == "test"  # the key goes, also where it says false
    return steps


def _forget_lock(steps: list, rng: Generator) -> list:
    for step in steps:
        if "cache-key" in step:
            step["cache-key"] = str(rng.choice(["pip-linux", "packages"]))
    return steps


def _unlock(steps: list, rng: Generator) -> list:
    for step in steps:
        step["run"] = [
            str(rng.choice(["pip install pandas scikit-learn", "pip install -r requirements.txt", "pip install -U ."]))
            if command == LOCKED
            else command
            for command in step["run"]
        ]
    return steps


def _leak(steps: list, rng: Generator) -> list:
    for step in steps:
        step["run"].insert(int(rng.integers(len(step["run"]) + 1)), f"echo token is {SECRET}")
    return [*steps, {"stage": "publish", "name": "who", "run": [f"echo as {SECRET}"]}]


def _assert_mended(mend: Callable, steps: list[dict]) -> None:
    given = copy.deepcopy(steps)
    found = mend(given)
    assert given == steps, "The steps that were passed in have changed: build new dicts and lists."
    assert isinstance(found, list) and all(isinstance(step, dict) for step in found), (
        f"Return a list of steps, each a dict: this is {type_name(found)}."
    )
    names = sorted(str(step.get("name")) for step in found)
    assert names == sorted(step["name"] for step in steps), (
        f"The mended pipeline has the steps {names}: keep them all, one with nothing left to run too."
    )
    _assert_serves(found)
    expected = _slow_mend(steps)
    for step, sound in zip(found, expected, strict=True):
        assert step["name"] == sound["name"], (
            f"Step {step['name']!r} stands where {sound['name']!r} should: steps of one stage keep their order."
        )
        assert step == sound, f"Step {step['name']!r} has become {step}: mend what is listed, and nothing else."


def _assert_serves(steps: list[dict]) -> None:
    """Play the pipeline as a server would, and look at what would have happened."""
    order = [STAGES.index(step["stage"]) for step in steps]
    assert order == sorted(order), (
        f"The steps run in the order {[step['stage'] for step in steps]}: something is built or published before what "
        "should hold it has run."
    )
    for step in steps:
        assert "continue-on-error" not in step, (
            f"Step {step['name']!r} has continue-on-error: take the key out, whatever its value; where it "
            "is true, the failure is swallowed."
        )
        for command in step["run"]:
            assert not command.endswith("|| true"), f"{command!r} is green whatever happens: the failure is swallowed."
            assert command == command.strip(), f"{command!r} has blanks at its ends."
            assert not (command.startswith("echo") and "secrets." in command), (
                f"{command!r} writes a secret into the log."
            )
            assert not command.startswith("pip install") or "--require-hashes" in command, (
                f"{command!r} installs whatever is the newest today: install from the lock."
            )
        assert LOCK in step.get("cache-key", LOCK), (
            f"The cache key {step['cache-key']!r} stays the same when the lock changes: the tests would run with the "
            "packages of last month."
        )


def _slow_mend(steps: list[dict]) -> list[dict]:
    found = []
    for stage in STAGES:
        for step in steps:
            if step["stage"] == stage:
                sound = {key: value for key, value in step.items() if key != "continue-on-error"}
                sound["run"] = []
                for command in step["run"]:
                    if command.startswith("echo") and "secrets." in command:
                        continue
                    if command.startswith("pip install") and "--require-hashes" not in command:
                        command = LOCKED
                    sound["run"].append(command[: -len(" || true")] if command.endswith(" || true") else command)
                if "cache-key" in step and LOCK not in step["cache-key"]:
                    sound["cache-key"] = step["cache-key"] + "-" + LOCK
                found.append(sound)
    return found


# 51.5: a release


@check("51.5")
def check_release(release, rng: Generator) -> None:
    """Releases with slices just above and just below each limit, short slices, and violations."""
    for invariance in ({"alone": 0, "order": 0}, {"order": 0, "alone": 1, "columns": 12}, {}):
        for count in (1, 2, 7):
            slices = _slices(rng, count)
            _assert_release(
                release(dict(invariance), {name: table.copy() for name, table in slices.items()}), invariance, slices
            )
    _assert_release(release({}, {}), {}, {})
    watched = {"early": _slice(rng, 30, 2.1), "late": _slice(rng, 31, -1.0)}
    _assert_release(
        release({"alone": 0}, {name: table.copy() for name, table in watched.items()}), {"alone": 0}, watched
    )


def _slices(rng: Generator, count: int) -> dict[str, pd.DataFrame]:
    """`count` slices of 30 days or more, the first at the limits of the policy, and short ones, better and worse.

    With more than two, the last of them has the same forecasts in both models.
    """
    z = NormalDist().inv_cdf(1 - 0.025 / count)
    wanted = [z * 1.004, z * 0.996, 1.97, 1.92, -1.0, 0.5, 4.0]
    days = [30, *rng.integers(30, 34, count - 1)]
    slices = {f"carrier {number}": _slice(rng, int(days[number]), wanted[number]) for number in range(count)}
    if count > 2:
        slices[f"carrier {count - 1}"]["worse"] = 0.0
    slices["short and worse"] = _slice(rng, 29, 0.4)
    slices["short and better"] = _slice(rng, 12, -0.5)
    slices["short and much worse"] = _slice(rng, 29, 6.0)
    slices["short and the same"] = _slice(rng, 15, 0.0).assign(worse=0.0)
    names = list(slices)
    return {names[place]: slices[names[place]] for place in rng.permutation(len(names))}


def _slice(rng: Generator, days: int, ratio: float) -> pd.DataFrame:
    """Flights of so many days, moved until their mean is `ratio` standard errors above zero."""
    day = np.arange(days).repeat(rng.integers(2, 30, days))
    worse = 0.05 * rng.normal(size=days)[day] + 0.05 * rng.normal(size=len(day))
    table = pd.DataFrame({"day": pd.Timestamp("2013-09-01") + pd.to_timedelta(day, unit="D"), "worse": worse})
    mean, error = _jackknife(table)
    table["worse"] += ratio * error - mean
    return table.sample(frac=1, random_state=rng).reset_index(drop=True)


def _jackknife(table: pd.DataFrame) -> tuple[float, float]:
    """Mean over the flights and its standard error, each day left out once."""
    worse, day = table.worse.to_numpy(), table.day.to_numpy()
    without = [float(worse[day != left_out].mean()) for left_out in np.unique(day)]
    centre = sum(without) / len(without)
    spread = sum((value - centre) ** 2 for value in without)
    return float(worse.mean()), ((len(without) - 1) / len(without) * spread) ** 0.5


def _assert_release(found: Any, invariance: dict[str, int], slices: dict[str, pd.DataFrame]) -> None:
    assert isinstance(found, dict) and {"ship", "block", "watch"} <= set(found), (
        f"Return a dict with ship, block and watch: this is {type_name(found)}."
    )
    long = [name for name, table in slices.items() if table.day.nunique() >= 30]
    z = NormalDist().inv_cdf(1 - 0.025 / len(long)) if long else 0.0
    block, watch = {name for name, count in invariance.items() if count}, set()
    for name in block:
        assert name in found["block"], (
            f"An invariance with {invariance[name]} violation(s) does not block: it is exact."
        )
    for name, table in slices.items():
        mean, error = _jackknife(table)
        limit = f"mean {mean:.4f}, error {error:.4f}, {table.day.nunique()} days, {len(long)} slices that can block"
        if name in long and mean - z * error > 0:
            block.add(name)
            assert name in found["block"], f"A slice ({limit}) does not block: it is worse beyond doubt."
        elif mean - 1.96 * error > 0 or (name not in long and mean > 0):
            watch.add(name)
            why = "that is suspicious, and not beyond doubt" if name in long else "it is short, and only watched"
            assert name not in found["block"], f"A slice ({limit}) blocks: {why}."
            assert name in found["watch"], f"A slice ({limit}) is not watched."
        else:
            assert name not in found["block"], f"A slice ({limit}) blocks: nothing speaks against it."
            assert name not in found["watch"], f"A slice ({limit}) is watched: nothing speaks against it."
    for what, names in (("block", block), ("watch", watch)):
        assert list(found[what]) == sorted(names), f"{what} is {found[what]}: give the names in order, each once."
    assert bool(found["ship"]) == (not block), f"ship is {found['ship']} while {len(block)} test(s) block."


# 51.6: a review

MODULE = '''\
USUAL = {"wind": 10.0, "sight": 9.0}
WEIGHTS = {"wind": 0.010, "sight": -0.020}
RATES = {"AA": 0.25, "B6": 0.30, "EV": 0.35}
AGE = 3

def sky(flights, reports):
    """The last report at least AGE hours old."""
    rows = [reports[reports.hour <= hour - AGE].iloc[-1] for hour in flights.hour]
    return pd.DataFrame(rows, index=flights.index).fillna(USUAL)

def ask(flights, reports):
    seen = sky(flights, reports)
    base = flights.carrier.map(RATES).fillna(0.3)
    risk = base + WEIGHTS["wind"] * seen.wind + WEIGHTS["sight"] * seen.sight
    return risk.clip(0, 1).tolist()
'''
# Change -> its title, and the lines that it replaces, by number.
CHANGES: dict[str, tuple[str, dict[int, str]]] = {
    "A": (
        "Fill gaps with what is usual today",
        {
            7: '    """The last report at least AGE hours old, gaps filled with the median."""',
            8: "    rows = [reports[reports.hour <= time - AGE].iloc[-1] for time in flights.hour]",
            9: "    return pd.DataFrame(rows, index=flights.index).pipe(lambda seen: seen.fillna(seen.median()))",
        },
    ),
    "B": (
        "Newer reports for the same price",
        {
            1: 'USUAL = {"sight": 9.0, "wind": 10.0}',
            4: "AGE = 1",
            12: "    seen = sky(flights=flights, reports=reports)",
        },
    ),
    "C": (
        "Write the risk as one product",
        {
            2: 'WEIGHTS = pd.Series({"wind": 0.010, "sight": -0.020})',
            14: "    risk = base + seen[WEIGHTS.index] @ WEIGHTS",
            15: "    return list(risk.clip(lower=0, upper=1))",
        },
    ),
    "D": (
        "Storms ground everybody, so cap what is beyond them",
        {
            7: '    """The last report that is known, for each flight."""',
            13: "    base = flights.carrier.map(RATES).fillna(value=0.3)",
            14: '    risk = base + WEIGHTS["wind"] * (seen.wind % 40) + WEIGHTS["sight"] * seen.sight',
        },
    ),
    "E": (
        "Carriers that we do not know",
        {
            3: 'RATES = {"EV": 0.35, "B6": 0.30, "AA": 0.25}',
            12: "    seen = sky(flights, reports)[list(USUAL)]",
            13: "    base = flights.carrier.map(RATES).fillna(0.3 + flights.number % 100 / 1000)",
        },
    ),
}
TESTS = ("alone", "columns", "future", "wind", "sight")


def lines_of(change: str, put_back: int | None = None) -> list[str]:
    """The module with a change, one of its lines put back as it was."""
    lines = MODULE.splitlines()
    for number, text in CHANGES[change][1].items():
        if number != put_back:
            lines[number - 1] = text
    return lines


def numbered_diff(change: str) -> str:
    """The module as a change would leave it, each line with its number; what was there before stands above it."""
    title, new = CHANGES[change]
    shown = [title]
    for number, (old, text) in enumerate(zip(MODULE.splitlines(), lines_of(change), strict=True), 1):
        shown += [f"    -  {old}", f"{number:3} +  {text}"] if number in new else [f"{number:3}    {text}"]
    return "\n".join(shown)


@check("51.6")
def check_review(review, rng: Generator) -> None:
    """Put the marked line of each change back, and run the named test before and after."""
    found = review()
    assert isinstance(found, dict) and sorted(found) == sorted(CHANGES), (
        f"Return a dict with the changes {', '.join(CHANGES)}: this is {type_name(found)}."
    )
    flights, reports = _asked_flights(rng)
    for change, pair in found.items():
        assert isinstance(pair, tuple | list) and len(pair) == 2, (
            f"Change {change}: give a pair (line, test), or (None, None) where the change is sound."
        )
        red = _red(lines_of(change), flights, reports)
        if tuple(pair) == (None, None):
            assert not red, f"Change {change} is not sound: a test is red with it."
            continue
        line, test = pair
        assert test in TESTS, f"Change {change}: {test!r} is none of the tests."
        assert line in CHANGES[change][1], f"Change {change}: line {line!r} was not changed."
        assert red, f"Change {change}: no test is red with it, so there is no line to put back."
        assert test in red, f"Change {change}: the test {test!r} is green with it."
        assert test not in _red(lines_of(change, put_back=line), flights, reports), (
            f"Change {change}: with line {line} put back, the test {test!r} is still red."
        )


def _red(lines: list[str], flights: pd.DataFrame, reports: pd.DataFrame) -> set[str]:
    """The tests that are red with the module of these lines."""
    module: dict[str, Any] = {"pd": pd}
    exec("\n".join(lines), module)

    def ask(flights: pd.DataFrame, reports: pd.DataFrame = reports) -> np.ndarray:
        return np.asarray(module["ask"](flights, reports), float)

    now = ask(flights)
    alone = [ask(flights.loc[[flight]])[0] for flight in flights.index]
    late = reports.assign(wind=reports.wind.where(reports.hour <= flights.hour.min() - 3, 70.0))
    first = flights[flights.hour == flights.hour.min()]
    results = {
        "alone": np.allclose(alone, now),
        "columns": np.allclose(ask(flights.assign(number=flights.number + 7, late=True)), now),
        "future": np.allclose(ask(first, late), ask(first), equal_nan=True),
        "wind": bool((ask(flights, reports.assign(wind=reports.wind + 15)) >= now - 1e-9).all()),
        "sight": bool((ask(flights, reports.assign(sight=reports.sight + 1)) <= now + 1e-9).all()),
    }
    return {name for name, is_green in results.items() if not is_green}


def _asked_flights(rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flights of some hours, and reports with gaps and with winds on both sides of 40."""
    hours = np.arange(24)
    reports = pd.DataFrame(
        {"hour": hours, "wind": rng.uniform(28, 45, 24).round(), "sight": rng.uniform(1, 8, 24).round()}, dtype=float
    )
    reports.loc[[4, 9], "wind"] = np.nan
    reports.loc[[6], "sight"] = np.nan
    asked = {
        "hour": [7, 8, 9, 12, 14, 16],
        "carrier": ["AA", "XX", "B6", "EV", "YY", "AA"],
        "number": rng.integers(100, 900, 6),
        "late": rng.random(6) < 0.3,
    }
    return pd.DataFrame(asked, index=rng.permutation(np.arange(100, 106))), reports
