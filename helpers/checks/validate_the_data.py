"""What the answers to the exercises of lesson 23 must do."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, type_name

# 23.1: a contract


TAIL_NUMBERS = {
    "lower case": "n102uw",
    "too long": "N1234567",
    "nothing after N": "N",
    "a blank at the end": "N102U ",
    "a fleet number": "3ALAA",
    "missing": None,
}


@check("23.1")
def check_broken_rows(broken_rows, rng: Generator) -> None:
    """Spoil a registry in every way that the contract names, and some that it allows."""
    clean = _registry(rng)
    assert not _labels(broken_rows(clean.copy())), (
        "Rows of a registry without a fault are refused: a year may be missing, the limits themselves are allowed, "
        "and where nothing is broken the list is empty."
    )
    planes, why = _spoilt_registry(rng)
    before = planes.copy()
    answer = _labels(broken_rows(planes))
    assert planes.equals(before), "The planes that were passed in have changed: work on a copy."
    assert len(answer) == len(set(answer)), (
        f"{len(answer) - len(set(answer))} labels are in the list more than once: a row can break several rules, and "
        "it is still one row."
    )
    unknown = set(answer) - set(planes.index)
    assert not unknown, f"{unknown.pop()!r} is no label of the index: return labels, not positions."
    missed = [label for label in why if label not in answer]
    assert not missed, f"A row passes whose {why[missed[0]]}."
    wrongly = [label for label in answer if label not in why]
    assert not wrongly, f"A good row is refused: {planes.loc[wrongly[0]].to_dict()}."


def _labels(answer: Any) -> list:
    assert isinstance(answer, Iterable) and not isinstance(answer, str | dict | pd.DataFrame), (
        f"Return a list of index labels: this is {type_name(answer)}."
    )
    return list(answer)


def _registry(rng: Generator) -> pd.DataFrame:
    count = 60
    letters = np.array(list("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"))
    tails = ["N" + "".join(rng.choice(letters, size)) for size in rng.permutation(np.arange(count) % 3 + 3)]
    planes = pd.DataFrame(
        {
            "tailnum": [f"{tail[:3]}{number:03d}" for number, tail in enumerate(tails)],
            "year": rng.integers(1930, 2024, count).astype(float),
            "seats": rng.integers(1, 901, count),
            "engines": rng.integers(1, 5, count),
        },
        index=rng.permutation(count) + 700,
    )
    planes.iloc[:2] = [["N1", 1930.0, 1, 1], ["N99999", 2023.0, 900, 4]]
    planes.iloc[2:6, 1] = np.nan
    return planes.sample(frac=1, random_state=rng)


def _spoilt_registry(rng: Generator) -> tuple[pd.DataFrame, dict[int, str]]:
    """Return a registry with faults, and for each broken row what is wrong with it."""
    planes = _registry(rng)
    values = [("tailnum", value, name) for name, value in TAIL_NUMBERS.items()]
    values += [("year", value, f"{value:g}") for value in (1929.0, 2024.0, 213.0)]
    values += [("seats", value, f"{value}") for value in (0, 901, -4)]
    values += [("engines", value, f"{value}") for value in (0, 5)]
    labels = planes.index[planes.year.notna()][: len(values) + 4]
    why = {}
    for label, (column, value, what) in zip(labels, values, strict=False):
        planes.loc[label, column] = value
        why[label] = f"{column} is {what}"
    planes.loc[labels[0], "seats"] = 0  # two rules at once
    first, second, third, fourth = labels[-4:]
    planes.loc[second, "tailnum"], planes.loc[fourth, "tailnum"] = planes.tailnum[first], planes.tailnum[third]
    why |= dict.fromkeys(labels[-4:], "tailnum stands in another row too: both copies are broken")
    return planes, why


# 23.2: a rule across time zones

# The order in which a learner is told: what is missing first, then one difficulty at a time.
KINDS = (
    "whose dep_time is missing",
    "whose arr_time is missing",
    "whose air_time is missing",
    "within a day and a zone",
    "to another time zone",
    "that crosses midnight",
    "across midnight and zones",
    "at midnight, written 2400,",
)


@check("23.2")
def check_clock_fits(clock_fits, rng: Generator) -> None:
    """Hold flights against both limits, across midnight and zones, with every kind of gap."""
    flights, kinds = _arrivals(rng)
    before = flights.copy()
    answer = clock_fits(flights)
    assert flights.equals(before), "The flights that were passed in have changed: work on a copy."
    assert np.ndim(answer) == 1 and len(answer) == len(flights), (
        f"Return one Boolean a flight, {len(flights)} of them: this is {type_name(answer)}."
    )
    if isinstance(answer, pd.Series) and set(answer.index) == set(flights.index):
        answer = answer.reindex(flights.index)
    holds = np.asarray(answer)
    assert not pd.isna(holds).any(), "Some flights have no answer: where a time is missing, the rule holds."
    expected = [_slow_fit(row) for row in flights.to_dict("records")]
    for kind in KINDS:
        rows = [place for place, name in enumerate(kinds) if name == kind]
        wrong = [place for place in rows if bool(holds[place]) != expected[place]]
        assert not wrong, _say_fit(kind, flights.iloc[wrong[0]], expected[wrong[0]])


def _say_fit(kind: str, flight: pd.Series, fits: bool) -> str:
    told = ", ".join(f"{name} {value:g}" for name, value in flight.items())
    return f"A flight {kind} {'is refused and fits' if fits else 'passes and does not fit'}: {told}."


def _slow_fit(flight: dict[str, float]) -> bool:
    if any(flight[name] != flight[name] for name in ("dep_time", "arr_time", "air_time")):
        return True
    departed, arrived = (int(flight[name] // 100) * 60 + flight[name] % 100 for name in ("dep_time", "arr_time"))
    elapsed = arrived - departed - 60 * flight["zone"]
    while elapsed < 0:
        elapsed += 1440
    while elapsed >= 1440:
        elapsed -= 1440
    return flight["air_time"] <= elapsed <= flight["air_time"] + 180


def _clock(minute: int) -> float:
    """Write a minute of the day as HHMM."""
    return float(minute // 60 * 100 + minute % 60)


def _arrivals(rng: Generator) -> tuple[pd.DataFrame, list[str]]:
    """Return flights in random order, and what is special about each."""
    rows, kinds = [], []

    def add(kind: str, departure: int, air: int, zone: float, extra: int) -> dict[str, float]:
        arrival = int(departure + air + extra + 60 * zone) % 1440
        rows.append({"dep_time": _clock(departure), "arr_time": _clock(arrival), "air_time": float(air), "zone": zone})
        kinds.append(kind)
        return rows[-1]

    for _ in range(40):
        air, extra = int(rng.integers(30, 300)), int(rng.choice([-1, 0, 1, 90, 179, 180, 181, -60, 240]))
        start = int(rng.integers(300, 700))
        add("within a day and a zone", start, air, 0.0, extra)
        add("to another time zone", start, air, float(rng.choice([-5, -3, -2, -1, 1])), extra)
        add("that crosses midnight", int(rng.integers(1300, 1439)), 150 + air, 0.0, extra)
        add(
            "across midnight and zones", int(rng.integers(1300, 1439)), 300 + air, float(rng.choice([-3, -1, 1])), extra
        )
    for departure, arrival in ((2400.0, 145.0), (2230.0, 2400.0), (2400.0, 2300.0)):
        rows.append({"dep_time": departure, "arr_time": arrival, "air_time": 75.0, "zone": 0.0})
        kinds.append("at midnight, written 2400,")
    for column in ("dep_time", "arr_time", "air_time"):
        add(f"whose {column} is missing", 600, 100, -1.0, 500)[column] = np.nan
    order = rng.permutation(len(rows))
    flights = pd.DataFrame([rows[place] for place in order], index=rng.permutation(len(rows)) + 40)
    return flights, [kinds[place] for place in order]


# 23.3: a contract that is wrong in five ways


RULES = ("temp", "humid", "wind_dir", "key", "hour")
NEAR_THE_CHANGES = {"2013-03-04": "winter", "2013-03-20": "summer", "2013-11-02": "summer", "2013-11-20": "winter"}


@check("23.3")
def check_broken_rules(broken_rules, rng: Generator) -> None:
    """Put into winter and summer rows what each of the five given lines gets wrong, and days near the clock changes."""
    weather, kinds = _hours(rng)
    before = weather.copy()
    answer = broken_rules(weather)
    assert weather.equals(before), "The weather that was passed in has changed: work on a copy."
    assert isinstance(answer, dict), f"Return a dict from rule to labels: this is {type_name(answer)}."
    assert set(answer) == set(RULES), f"The rules are called {RULES}: the dict has {tuple(map(str, answer))}."
    for rule in RULES:
        labels = _labels(answer[rule])
        assert len(labels) == len(set(labels)), f"{rule}: some labels are in the list more than once."
        unknown = set(labels) - set(weather.index)
        assert not unknown, f"{rule}: {unknown.pop()!r} is no label of the index: return labels, not positions."
        for label, (kind, broken) in kinds.items():
            passes = label not in labels
            assert passes or rule in broken, f"{rule}: a good row is refused. What is special about it: {kind}."
            assert not passes or rule not in broken, f"{rule}: a bad row passes. What is wrong with it: {kind}."


def _hours(rng: Generator) -> tuple[pd.DataFrame, dict[int, tuple[str, set[str]]]]:
    """Return rows of weather, and for each label what is special about it and which rules it breaks."""
    good = {"origin": "EWR", "temp": 50.0, "humid": 60.0, "wind_dir": "270.0", "lead": 0}
    cases: list[tuple[str, set[str], dict[str, Any]]] = [
        ("nothing", set(), {}),
        ("nothing", set(), {"origin": "LGA", "temp": 20.0}),
        (
            "the lowest and the greatest values that are allowed",
            set(),
            {"temp": -60.0, "humid": 100.0, "wind_dir": "360"},
        ),
        ("the lowest and the greatest values that are allowed", set(), {"temp": 130.0, "humid": 0.0, "wind_dir": "0"}),
        ("a temperature of 999", {"temp"}, {"temp": 999.0}),
        ("a temperature of 131", {"temp"}, {"temp": 131.0}),
        ("a temperature of -61", {"temp"}, {"temp": -61.0}),
        ("its temperature is missing", {"temp"}, {"temp": np.nan}),
        ("its humidity is missing, which is allowed", set(), {"humid": np.nan}),
        ("a humidity of 101", {"humid"}, {"humid": 101.0}),
        ("a humidity of -1", {"humid"}, {"humid": -1.0}),
        ("a wind from '90', a number below 360", set(), {"wind_dir": "90"}),
        ("a wind from '90.0', a number below 360", set(), {"wind_dir": "90.0"}),
        ("a wind from '2000', a number above 360 and a text before '360'", {"wind_dir"}, {"wind_dir": "2000"}),
        ("a wind from '370.0'", {"wind_dir"}, {"wind_dir": "370.0"}),
        ("a wind from '361'", {"wind_dir"}, {"wind_dir": "361"}),
        ("a wind from '-1'", {"wind_dir"}, {"wind_dir": "-1"}),
        ("a wind from 'VRB', which is no number", {"wind_dir"}, {"wind_dir": "VRB"}),
        ("a wind from 'calm', which is no number", {"wind_dir"}, {"wind_dir": "calm"}),
        ("a wind from '27O', with a letter at the end", {"wind_dir"}, {"wind_dir": "27O"}),
        ("its wind direction is missing, which is allowed", set(), {"wind_dir": None}),
        ("its hour is one ahead of New York's", {"hour"}, {"lead": 1}),
        ("its hour is in UTC", {"hour"}, {"lead": None}),
    ]
    rows = []
    for day in ("2013-01-10", "2013-07-10"):
        start = pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=int(rng.integers(10)))
        times = [start + pd.Timedelta(hours=int(hour)) for hour in rng.permutation(72)]
        season = "in winter" if day < "2013-04" else "in summer"
        for time, (kind, broken, values) in zip(times, cases, strict=False):
            rows.append((f"{kind}, {season}", broken, good | values | {"time_hour": time}))
        first, second = times[-2:]
        rows += [
            ("the first of three with its key", set(), good | {"time_hour": first}),
            ("another row before it has its key", {"key"}, good | {"time_hour": first, "temp": 51.0}),
            ("another row before it has its key", {"key"}, good | {"time_hour": first}),
            ("another airport has the same moment", set(), good | {"time_hour": second, "origin": "JFK"}),
            ("another airport has the same moment", set(), good | {"time_hour": second, "origin": "LGA"}),
        ]
    for day, zone in NEAR_THE_CHANGES.items():
        moment = pd.Timestamp(f"{day} {rng.integers(24):02d}:00", tz="America/New_York").tz_convert("UTC")
        rows.append((f"New York is on {zone} time on {day}", set(), good | {"time_hour": moment}))
    labels = rng.permutation(len(rows)) + 300
    weather = pd.DataFrame([values for *_, values in rows], index=labels)
    weather["time_hour"] = weather.time_hour.astype("datetime64[us, UTC]")
    weather["wind_dir"] = weather.wind_dir.astype("str")
    local, utc = weather.time_hour.dt.tz_convert("America/New_York").dt.hour, weather.time_hour.dt.hour
    weather["hour"] = ((local + weather.lead.fillna(0)) % 24).where(weather.lead.notna(), utc).astype("int64")
    kinds = {label: (kind, broken) for label, (kind, broken, _) in zip(labels.tolist(), rows, strict=True)}
    return weather.drop(columns="lead"), kinds


# 23.4: the gate


@check("23.4")
def check_admit(admit, rng: Generator) -> None:
    """Let tables through, with labels that occur twice; then break each rule that must stop the file."""
    for most in (0.5, 0.3):
        _assert_admits(admit, _delivery(rng), most)
    empty = _delivery(rng).head(0)
    _assert_admits(admit, empty, 0.0)
    table = _delivery(rng)
    one_bad = table.assign(unit=["mph"] * (len(table) - 1) + ["m/s"])
    _assert_stops(admit, one_bad, 0.5, "miles per hour", "one row breaks a rule that must stop the file")
    share = float((table.humid < 0).mean())
    _assert_stops(admit, table, share - 0.001, "wet enough", "more rows than `most` allows break one row rule")
    _assert_passes(admit, table, share, "exactly the share `most` of the rows break a row rule, which is not more")
    for column, rule in (("temp", "no absurd heat"), ("unit", "miles per hour"), ("carrier", "a known carrier")):
        _assert_stops(admit, table.drop(columns=column), 1.0, rule, f"the column {column} is missing")


def _gate_rules() -> dict[str, tuple[str, Callable]]:
    return {
        "a known carrier": ("warn", lambda table: table["carrier"].isin(["UA", "AA"])),
        "no absurd heat": ("row", lambda table: table["temp"] < 130),
        "miles per hour": ("stop", lambda table: table["unit"] == "mph"),
        "wet enough": ("row", lambda table: table["humid"] >= 0),
        "no absurd cold": ("warn", lambda table: table["temp"] > -200),
        "heat is dry": ("row", lambda table: (table["temp"] < 900) | (table["humid"] < 90)),
    }


def _delivery(rng: Generator) -> pd.DataFrame:
    """Thirty-two rows whose labels occur twice; 6 are too hot, 9 too dry, 2 both; and carriers to be warned of."""
    count = 32
    place = rng.permutation(count)
    table = pd.DataFrame({"carrier": rng.permutation(["UA", "AA", "AA", "NK"] * 8), "temp": 50.0, "humid": 95.0})
    table.iloc[place[:6], 1] = 999.0
    table.iloc[place[4:13], 2] = -1.0
    return table.assign(unit="mph").set_axis(np.arange(count) // 2).sample(frac=1, random_state=rng)


def _assert_admits(admit: Callable, table: pd.DataFrame, most: float) -> None:
    before, rules = table.copy(), _gate_rules()
    answer = admit(table, rules, most)
    assert table.equals(before), "The table that was passed in has changed: work on a copy."
    assert isinstance(answer, dict) and set(answer) == {"good", "refused", "warned"}, (
        f"Return a dict with good, refused and warned: this is {_keys(answer)}."
    )
    good, refused = answer["good"], answer["refused"]
    for name, part in (("good", good), ("refused", refused)):
        assert isinstance(part, pd.DataFrame), f"{name} is a data frame: this is {type_name(part)}."
    assert list(good.columns) == list(before.columns), (
        f"good has the columns {list(good.columns)}: it has those of the table, {list(before.columns)}."
    )
    assert list(refused.columns) == [*before.columns, "rules"], (
        f"refused has the columns {list(refused.columns)}: it has those of the table and then `rules`."
    )
    reasons = [_slow_reasons(rules, before.iloc[[place]]) for place in range(len(before))]
    assert len(good) + len(refused) == len(before), (
        f"{len(before)} rows came in and {len(good) + len(refused)} went out: a label that occurs twice in the index "
        "stands for two rows."
    )
    places = [place for place, reason in enumerate(reasons) if not reason]
    aside = [place for place, reason in enumerate(reasons) if reason]
    _assert_labels_kept("good", good, before.iloc[places])
    _assert_labels_kept("refused", refused[before.columns], before.iloc[aside])
    assert _same(good, before.iloc[places]), (
        f"good has {len(good)} rows and should have the {len(places)} that keep all row rules, in their order; a rule "
        "that only warns refuses nobody."
    )
    assert _same(refused[before.columns], before.iloc[aside]), "refused does not hold the other rows in their order."
    for told, place in zip(refused["rules"], aside, strict=True):
        assert told == reasons[place], (
            f"A refused row has the rules {told!r} and should have {reasons[place]!r}: all row rules that it breaks, "
            "in the order of the dict, and no others."
        )
    expected = {name: _broken(rules[name][1], before) for name in ("a known carrier", "no absurd cold")}
    expected = {name: count for name, count in expected.items() if count}
    assert answer["warned"] == expected, (
        f"warned is {answer['warned']} and should be {expected}: rows of the whole table, the refused ones as well, "
        "and no rule that nobody breaks."
    )


def _assert_labels_kept(name: str, part: pd.DataFrame, expected: pd.DataFrame) -> None:
    relabelled = part.to_dict("list") == expected.to_dict("list") and part.index.tolist() != expected.index.tolist()
    assert not relabelled, f"{name} holds the right rows, and their labels have changed: keep those of the table."


def _same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return left.index.tolist() == right.index.tolist() and left.to_dict("list") == right.to_dict("list")


def _slow_reasons(rules: dict[str, tuple[str, Callable]], row: pd.DataFrame) -> str:
    broken = [name for name, (severity, holds) in rules.items() if severity == "row" and not holds(row).item()]
    return "; ".join(broken)


def _broken(holds: Callable, table: pd.DataFrame) -> int:
    return sum(not kept for kept in holds(table))


def _assert_stops(admit: Callable, table: pd.DataFrame, most: float, rule: str, why: str) -> None:
    try:
        admit(table, _gate_rules(), most)
    except ValueError as error:
        assert rule in str(error), (
            f"The file is stopped since {why}; the message should name the rule {rule!r}: {error}"
        )
        return
    except KeyError as error:
        raise AssertionError(f"A KeyError came through: {why}, so raise a ValueError that names the rule.") from error
    raise AssertionError(f"The file passes, though {why}: raise a ValueError.")


def _assert_passes(admit: Callable, table: pd.DataFrame, most: float, why: str) -> None:
    try:
        admit(table, _gate_rules(), most)
    except ValueError as error:
        raise AssertionError(f"The file is stopped, though {why}: {error}") from error


# 23.5: silent changes


@check("23.5")
def check_silent_changes(silent_changes, rng: Generator) -> None:
    """Plant each fault alone and all together, among clean months that look unusual."""
    normal = _month(rng, swing=9).groupby("hour").temp.mean()
    for name, weather in _controls(rng).items():
        found = _found(silent_changes, weather, normal)
        assert not found, f"A clean month is accused of {_told(found)}: {name}."
    for hours in (4, -5, 12, int(rng.integers(6, 11)), -11):
        found = _found(silent_changes, _moved(_month(rng), hours), normal)
        _assert_found(found, {"clock": hours}, f"whose stated clock is {hours:+d} hours ahead of the true one")
    for name, weather in {"in Celsius": _month(rng), "in Celsius, full of mist": _misty(rng, 1.3, 1.6)}.items():
        _assert_found(_found(silent_changes, _celsius(weather), normal), {"degrees": "Celsius"}, name)
    ratio = float(rng.uniform(1.05, 1.6))
    gusts = _computed_gusts(_month(rng), ratio)
    _assert_found(_found(silent_changes, gusts, normal), {"gusts": ratio}, "whose gusts are a multiple of the wind")
    few = _few_gusts(_month(rng), 30, ratio)
    _assert_found(_found(silent_changes, few, normal), {"gusts": ratio}, "with just 30 gusts, a multiple of the wind")
    everything = _computed_gusts(_celsius(_moved(_month(rng), 5)), ratio)
    expected = {"clock": 5, "degrees": "Celsius", "gusts": ratio}
    _assert_found(_found(silent_changes, everything, normal), expected, "with all three faults")


def _found(silent_changes: Callable, weather: pd.DataFrame, normal: pd.Series) -> dict[str, Any]:
    before = weather.copy()
    found = silent_changes(weather, normal.copy())
    assert weather.equals(before), "The weather that was passed in has changed: work on a copy."
    assert isinstance(found, dict), f"Return a dict of what changed: this is {type_name(found)}."
    unknown = set(found) - {"clock", "degrees", "gusts"}
    assert not unknown, f"{unknown.pop()!r} is no fault of this task: the keys are clock, degrees and gusts."
    return found


def _assert_found(found: dict[str, Any], expected: dict[str, Any], which: str) -> None:
    missed, added = set(expected) - set(found), set(found) - set(expected)
    assert not missed, f"In a month {which} nobody noticed {_told(missed)}."
    assert not added, f"A month {which} is accused of {_told(added)} too."
    for name, value in expected.items():
        close = found[name] == value if name != "gusts" else abs(float(found[name]) - value) < 1e-3
        assert close, f"In a month {which}, {name!r} is {found[name]!r} and should be {value!r}."


def _told(faults: Iterable[str]) -> str:
    return " and ".join(sorted(map(str, faults)))


def _month(rng: Generator, swing: float = 7.0, level: float = 70.0) -> pd.DataFrame:
    """A month of hourly weather in degrees Fahrenheit, knots made miles, on the true local clock."""
    days = 30
    hour = np.tile(np.arange(24), days)
    daily = swing * (np.cos(2 * np.pi * (hour - 15) / 24) + 0.25 * np.cos(4 * np.pi * (hour - 14) / 24))
    front = np.repeat(np.cumsum(rng.normal(scale=1.5, size=days)), 24) + rng.normal(scale=1.0, size=len(hour))
    temp = np.round(level + daily + front, 1)
    dewp = np.round(temp - rng.uniform(1, 25, len(hour)), 1)
    wind = rng.integers(0, 25, len(hour)) * 1.15078
    gust = np.where(
        (wind > 14) & (rng.random(len(hour)) < 0.6), wind + rng.integers(3, 15, len(hour)) * 1.15078, np.nan
    )
    weather = pd.DataFrame({"hour": hour, "temp": temp, "dewp": dewp, "humid": np.round(_humidity(temp, dewp), 1)})
    weather = weather.assign(wind_speed=wind, wind_gust=gust)
    for column in ("temp", "humid", "wind_speed"):
        weather[column] = weather[column].mask(rng.random(len(hour)) < 0.02)
    return weather.drop(index=rng.choice(len(hour), 20, replace=False)).sample(frac=1, random_state=rng)


def _humidity(temp: np.ndarray, dewp: np.ndarray) -> np.ndarray:
    temp, dewp = (temp - 32) / 1.8, (dewp - 32) / 1.8
    return 100 * np.exp(17.625 * dewp / (243.04 + dewp) - 17.625 * temp / (243.04 + temp))


def _controls(rng: Generator) -> dict[str, pd.DataFrame]:
    plain, broken, gap, fog = _month(rng), _month(rng), _month(rng), _misty(rng, 0, 0.1)
    return {
        "a month like any other": plain,
        "a cold month with a small swing": _month(rng, swing=4, level=25),
        "its humidity is measured wrong, which Celsius would not explain": broken.assign(humid=broken.humid / 2),
        "a misty month, whose humidity hardly depends on the unit": _misty(rng, 0.3, 0.9),
        "a month of fog, whose humidity is 1.5 too low in either unit": fog.assign(humid=fog.humid - 1.5),
        "only 29 gusts, too few to speak of a constant ratio": _few_gusts(_month(rng), 29, 1.2),
        "the hours from 1 to 3 are missing": gap[~gap.hour.between(1, 3)],
        "many hours are calm, with a gust of 0": plain.assign(
            wind_gust=plain.wind_gust.mask(plain.wind_speed == 0, 0.0)
        ),
    }


def _misty(rng: Generator, nearest: float, farthest: float) -> pd.DataFrame:
    """A month whose dew point lies so many degrees Fahrenheit below the temperature."""
    weather = _month(rng)
    dewp = weather.temp - rng.uniform(nearest, farthest, len(weather))
    return weather.assign(dewp=dewp, humid=_humidity(weather.temp, dewp).round(1))


def _few_gusts(weather: pd.DataFrame, count: int, ratio: float) -> pd.DataFrame:
    """The month with so many gusts, a multiple of a wind that is light in half of them."""
    windy = weather.index[weather.wind_speed > 0][:count]
    wind = weather.wind_speed.where(~weather.index.isin(windy[::2]), 0.575)
    return weather.assign(wind_speed=wind, wind_gust=(wind * ratio).where(weather.index.isin(windy)))


def _moved(weather: pd.DataFrame, hours: int) -> pd.DataFrame:
    return weather.assign(hour=(weather.hour + hours) % 24)


def _celsius(weather: pd.DataFrame) -> pd.DataFrame:
    return weather.assign(temp=(weather.temp - 32) / 1.8, dewp=(weather.dewp - 32) / 1.8)


def _computed_gusts(weather: pd.DataFrame, ratio: float) -> pd.DataFrame:
    calm = weather.wind_speed == 0  # a gust in a calm, such as a sensor's hiccup, has no ratio
    return weather.assign(wind_gust=(weather.wind_speed * ratio).mask(calm, 2.30156))


# 23.6: a decision


@check("23.6")
def check_decide(decide, rng: Generator) -> None:
    """Decide nights on which stopping is dear, cheap, and exactly as dear as going on."""
    for _ in range(4):
        faults = _night(rng)
        expected, total = _slow_severity(faults)
        for stop_cost in (total + 100, total - 1, total):
            before = faults.copy()
            answer = decide(faults, stop_cost)
            assert faults.equals(before), "The faults that were passed in have changed: work on a copy."
            _assert_decision(answer, expected, total, stop_cost)


def _assert_decision(answer: Any, expected: dict[str, str], total: float, stop_cost: float) -> None:
    assert isinstance(answer, dict) and set(answer) == {"severity", "stop", "euros"}, (
        f"Return a dict with severity, stop and euros: this is {_keys(answer)}."
    )
    severity = answer["severity"]
    assert isinstance(severity, dict) and set(severity) == set(expected), (
        f"severity is a dict with the rules {sorted(expected)}: this is {_keys(severity)}."
    )
    for rule, right in expected.items():
        assert severity[rule] == right, (
            f"The severity of {rule!r} is {severity[rule]!r}, and the other is cheaper (or as cheap, and then it is "
            "'warn'): mind which error each costs, and that few checked rows prove little."
        )
    stop = total > stop_cost
    assert bool(answer["stop"]) == stop, (
        f"Going on costs {total:.2f} € and stopping {stop_cost:.2f} €, and stop is {answer['stop']}: compare the sum "
        "over the rules with the cost of one stop, and stop only when it is more."
    )
    euros = stop_cost if stop else total
    assert abs(float(answer["euros"]) - euros) < 0.01, (
        f"euros is {float(answer['euros']):.2f} and should be {euros:.2f}: the expected cost of what you do."
    )


def _slow_severity(faults: pd.DataFrame) -> tuple[dict[str, str], float]:
    severity, total = {}, 0.0
    for fault in faults.to_dict("records"):
        chance = (fault["bad"] + 1) / (fault["checked"] + 2)
        warn, row = fault["rows"] * chance * fault["bad_row"], fault["rows"] * (1 - chance) * fault["lost_row"]
        severity[fault["rule"]] = "row" if row < warn else "warn"
        total += min(warn, row)
    return severity, total


def _night(rng: Generator) -> pd.DataFrame:
    """Five rules: two where either error may be dearer, an even one, one checked twice, one never checked.

    Numbers checked are two less than a power of two: every sum is exact, whatever the order of its terms.
    """
    checked = [*(int(number) for number in rng.choice([6, 14, 30, 62], 2)), 14, 2, 0]
    bad = [int(rng.integers(0, checked[0] + 1)), int(rng.integers(0, checked[1] + 1)), 7, 2, 0]
    return pd.DataFrame(
        {
            "rule": rng.permutation(["temp", "key", "delay", "hour", "carrier"]),
            "rows": rng.integers(10, 500, 5),
            "checked": checked,
            "bad": bad,
            # All of two checked rows were bad: by the share a warning is dear, by Laplace's rule it is cheaper.
            "bad_row": [float(rng.integers(1, 20)), float(rng.integers(1, 20)), 4.0, 1.0, 3.0],
            "lost_row": [float(rng.integers(1, 20)), float(rng.integers(1, 20)), 4.0, 4.0, 2.0],
        },
        index=rng.permutation(5) + 10,
    )


def _keys(value: object) -> str:
    return f"a dict with {sorted(map(str, value))}" if isinstance(value, dict) else f"{type_name(value)}"
