"""Wrong answers to the exercises of lesson 23: the mistakes that learners make, and the words that must meet them."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from tests.wrong_answers import wrong

# 23.1


def refused(planes, contract):
    """Return the labels of pandera's failure cases, each once."""
    try:
        contract.validate(planes, lazy=True)
    except pa.errors.SchemaErrors as found:
        return found.failure_cases["index"].unique().tolist()
    return []


def registry(**columns):
    """Return the right contract with some columns replaced."""
    right = {
        "tailnum": pa.Column(str, pa.Check.str_matches("^N[A-Z0-9]{1,5}$"), unique=True),
        "year": pa.Column(float, pa.Check.in_range(1930, 2023), nullable=True),
        "seats": pa.Column(int, pa.Check.in_range(1, 900)),
        "engines": pa.Column(int, pa.Check.in_range(1, 4)),
    }
    return pa.DataFrameSchema(right | columns)


@wrong("23.1", says="a year may be missing")
def every_column_given(planes):
    """Leaves pandera's default, under which no value may be missing."""
    return refused(planes, registry(year=pa.Column(float, pa.Check.in_range(1930, 2023))))


@wrong("23.1", says="tailnum is too long")
def no_end_of_the_pattern(planes):
    """Matches only the beginning of the tail number."""
    pattern = pa.Check.str_matches("N[A-Z0-9]{1,5}")
    return refused(planes, registry(tailnum=pa.Column(str, pattern, unique=True)))


@wrong("23.1", says="both copies are broken")
def keeps_the_first_copy(planes):
    """Refuses only the later copies of a tail number."""
    good = refused(planes, registry(tailnum=pa.Column(str, pa.Check.str_matches("^N[A-Z0-9]{1,5}$"))))
    return sorted({*good, *planes.index[planes.tailnum.duplicated() & planes.tailnum.notna()]})


@wrong("23.1", says="tailnum is missing")
def any_column_missing(planes):
    """Allows the tail number to be missing, since the year may be."""
    pattern = pa.Check.str_matches("^N[A-Z0-9]{1,5}$")
    return refused(planes, registry(tailnum=pa.Column(str, pattern, nullable=True, unique=True)))


@wrong("23.1", says="it is still one row")
def failure_cases_for_rows(planes):
    """Takes failure cases for rows."""
    try:
        registry().validate(planes, lazy=True)
    except pa.errors.SchemaErrors as found:
        return found.failure_cases["index"].tolist()
    return []


@wrong("23.1", says="return labels, not positions")
def positions(planes):
    """Returns the places of the rows."""
    return np.flatnonzero(planes.index.isin(refused(planes, registry()))).tolist()


@wrong("23.1", says="A row passes")
def stops_at_the_first_fault(planes):
    """Validates without lazy."""
    try:
        registry().validate(planes)
    except pa.errors.SchemaError as found:
        return found.failure_cases["index"].dropna().unique().tolist()
    return []


@wrong("23.1", says="Return a list of index labels")
def the_rows_themselves(planes):
    """Returns a data frame."""
    return planes.loc[refused(planes, registry())]


# 23.2


def minutes(clock):
    """Return the minutes after midnight of HHMM."""
    return clock // 100 * 60 + clock % 100


def no_times(flights):
    """Whether one of the three times is missing."""
    return flights[["dep_time", "arr_time", "air_time"]].isna().any(axis="columns")


@wrong("23.2", says="that crosses midnight is refused and fits")
def forgets_midnight(flights):
    """Takes the plain difference."""
    elapsed = minutes(flights.arr_time) - minutes(flights.dep_time) - 60 * flights.zone
    return no_times(flights) | (elapsed - flights.air_time).between(0, 180)


@wrong("23.2", says="to another time zone")
def forgets_the_zone(flights):
    """Takes both clocks for one."""
    elapsed = (minutes(flights.arr_time) - minutes(flights.dep_time)) % 1440
    return no_times(flights) | (elapsed - flights.air_time).between(0, 180)


@wrong("23.2", says="to another time zone")
def the_zone_the_wrong_way(flights):
    """Adds the zone that should go."""
    elapsed = (minutes(flights.arr_time) - minutes(flights.dep_time) + 60 * flights.zone) % 1440
    return no_times(flights) | (elapsed - flights.air_time).between(0, 180)


@wrong("23.2", says="is missing is refused and fits")
def the_missing_fail(flights):
    """Lets a comparison with a missing value decide."""
    elapsed = (minutes(flights.arr_time) - minutes(flights.dep_time) - 60 * flights.zone) % 1440
    return (elapsed - flights.air_time).between(0, 180)


@wrong("23.2", says="within a day and a zone")
def hundreds_for_hours(flights):
    """Subtracts HHMM as if it were a number of minutes."""
    elapsed = (flights.arr_time - flights.dep_time - 60 * flights.zone) % 1440
    return no_times(flights) | (elapsed - flights.air_time).between(0, 180)


@wrong("23.2", says="passes and does not fit")
def no_upper_limit(flights):
    """Asks only for the time in the air."""
    elapsed = (minutes(flights.arr_time) - minutes(flights.dep_time) - 60 * flights.zone) % 1440
    return no_times(flights) | (elapsed >= flights.air_time)


# 23.3


def rules_with(weather, **changed):
    """Return the right answer with the masks of some rules replaced."""
    direction = pd.to_numeric(weather.wind_dir, errors="coerce")
    broken = {
        "temp": ~weather.temp.between(-60, 130),
        "humid": weather.humid.notna() & ~weather.humid.between(0, 100),
        "wind_dir": weather.wind_dir.notna() & ~direction.between(0, 360),
        "key": weather.duplicated(["origin", "time_hour"]),
        "hour": weather.time_hour.dt.tz_convert("America/New_York").dt.hour != weather.hour,
    }
    return {rule: weather.index[rows].tolist() for rule, rows in (broken | changed).items()}


@wrong("23.3", says="a bad row passes")
def as_given(weather):
    """The code of the task."""
    return rules_with(
        weather,
        temp=(weather.temp < -60) | (weather.temp > 130),
        humid=~weather.humid.between(0, 100),
        wind_dir=~weather.wind_dir.astype("str").between("0", "360"),
        key=weather.duplicated(["time_hour"]),
        hour=weather.time_hour.dt.tz_convert("Etc/GMT+5").dt.hour != weather.hour,
    )


@wrong("23.3", says="its temperature is missing")
def lets_the_missing_temperature_pass(weather):
    """Leaves the comparison that a missing value passes."""
    return rules_with(weather, temp=(weather.temp < -60) | (weather.temp > 130))


@wrong("23.3", says="its humidity is missing, which is allowed")
def refuses_the_missing_humidity(weather):
    """Leaves the comparison that a missing value fails."""
    return rules_with(weather, humid=~weather.humid.between(0, 100))


@wrong("23.3", says="'VRB', which is no number")
def text_that_is_no_number_is_missing(weather):
    """Takes what is no number for missing."""
    direction = pd.to_numeric(weather.wind_dir, errors="coerce")
    return rules_with(weather, wind_dir=direction.notna() & ~direction.between(0, 360))


@wrong("23.3", says="'calm', which is no number")
def knows_one_word(weather):
    """Looks for the word of the task only."""
    direction = pd.to_numeric(weather.wind_dir, errors="coerce")
    outside = direction.notna() & ~direction.between(0, 360)
    return rules_with(weather, wind_dir=outside | (weather.wind_dir == "VRB"))


@wrong("23.3", says="its wind direction is missing, which is allowed")
def refuses_the_missing_direction(weather):
    """Refuses a direction that is missing."""
    return rules_with(weather, wind_dir=~pd.to_numeric(weather.wind_dir, errors="coerce").between(0, 360))


@wrong("23.3", says="another airport has the same moment")
def key_without_airport(weather):
    """Leaves the key without the airport."""
    return rules_with(weather, key=weather.duplicated(["time_hour"]))


@wrong("23.3", says="the first of three with its key")
def refuses_all_copies(weather):
    """Refuses the first row of a key too."""
    return rules_with(weather, key=weather.duplicated(["origin", "time_hour"], keep=False))


@wrong("23.3", says="another row before it has its key")
def whole_rows_only(weather):
    """Looks for rows that are equal in every column."""
    return rules_with(weather, key=weather.duplicated())


@wrong("23.3", says="in summer")
def winter_time_for_ever(weather):
    """Leaves the fixed offset."""
    return rules_with(weather, hour=weather.time_hour.dt.tz_convert("Etc/GMT+5").dt.hour != weather.hour)


@wrong("23.3", says="a good row is refused. What is special about it: New York is on summer time on 2013-03-20")
def summer_time_by_whole_months(weather):
    """Takes summer time to last from April to October."""
    summer = weather.time_hour.dt.month.between(4, 10)
    local = (weather.time_hour.dt.hour - np.where(summer, 4, 5)) % 24
    return rules_with(weather, hour=local != weather.hour)


# 23.4


def gate(table, rules, most, of_rows=("row",), every=True):
    """Admit as asked, with the severities that refuse, and with every rule that a row breaks or only the first."""
    broken = {}
    for name, (severity, holds) in rules.items():
        try:
            broken[name] = ~np.asarray(holds(table), bool)
        except KeyError as error:
            raise ValueError(name) from error
        limit = {"stop": 0, "row": most * len(table), "warn": len(table)}[severity]
        if broken[name].sum() > limit:
            raise ValueError(name)
    of_row = [name for name, (severity, _) in rules.items() if severity in of_rows]
    reasons = [[name for name in of_row if broken[name][row]] for row in range(len(table))]
    reasons = ["; ".join(reason if every else reason[:1]) for reason in reasons]
    mask = np.array([bool(reason) for reason in reasons], bool)
    warned = {name: int(broken[name].sum()) for name, (severity, _) in rules.items() if severity == "warn"}
    return {
        "good": table[~mask],
        "refused": table[mask].assign(rules=[reason for reason in reasons if reason]),
        "warned": {name: count for name, count in warned.items() if count},
    }


@wrong("23.4", says="all row rules that it breaks")
def first_rule_only(table, rules, most):
    """Names the first rule only."""
    return gate(table, rules, most, every=False)


@wrong("23.4", says="only warns refuses nobody")
def warnings_refuse(table, rules, most):
    """Refuses rows for rules that only warn."""
    return gate(table, rules, most, of_rows=("row", "warn"))


@wrong("23.4", says="stands for two rows")
def drops_by_label(table, rules, most):
    """Drops rows by labels that occur twice."""
    parts = gate(table, rules, most)
    return parts | {"good": table.drop(index=parts["refused"].index)}


@wrong("23.4", says="good holds the right rows, and their labels have changed")
def numbers_the_good_anew(table, rules, most):
    """Resets the index of the good rows."""
    parts = gate(table, rules, most)
    return parts | {"good": parts["good"].reset_index(drop=True)}


@wrong("23.4", says="refused holds the right rows, and their labels have changed")
def numbers_the_refused_anew(table, rules, most):
    """Resets the index of the refused rows."""
    parts = gate(table, rules, most)
    return parts | {"refused": parts["refused"].reset_index(drop=True)}


@wrong("23.4", says="and no rule that nobody breaks")
def warns_of_nothing(table, rules, most):
    """Reports rules that nobody breaks."""
    parts = gate(table, rules, most)
    warned = [name for name, (severity, _) in rules.items() if severity == "warn"]
    return parts | {"warned": dict.fromkeys(warned, 0) | parts["warned"]}


@wrong("23.4", says="the refused ones as well")
def warns_of_the_good(table, rules, most):
    """Counts warnings among the good rows."""
    parts = gate(table, rules, most)
    return parts | {"warned": gate(parts["good"], rules, most)["warned"]}


@wrong("23.4", says="A KeyError came through")
def missing_column_crashes(table, rules, most):
    """Lets the gate crash where a column is missing."""
    for _, holds in rules.values():
        holds(table)
    return gate(table, rules, most)


@wrong("23.4", says="more rows than `most` allows")
def never_stops_for_rows(table, rules, most):
    """Takes no notice of the share."""
    return gate(table, rules, 1.0)


@wrong("23.4", says="which is not more")
def stops_too_early(table, rules, most):
    """Stops at the share itself."""
    return gate(table, rules, most - 1e-9 if len(table) else most)


@wrong("23.4", says="one row breaks a rule that must stop the file")
def stops_for_shares_only(table, rules, most):
    """Treats a rule that must stop the file like a rule on rows."""
    return gate(table, {name: ("row" if rule[0] == "stop" else rule[0], rule[1]) for name, rule in rules.items()}, most)


@wrong("23.4", says="work on a copy")
def writes_into_the_table(table, rules, most):
    """Writes the reasons into the table."""
    parts = gate(table, rules, most)
    table["rules"] = ""
    return parts


# 23.5


def humidity(temp, dewp):
    """Return the relative humidity from degrees Fahrenheit."""
    temp, dewp = (temp - 32) / 1.8, (dewp - 32) / 1.8
    return 100 * np.exp(17.625 * dewp / (243.04 + dewp) - 17.625 * temp / (243.04 + temp))


def clock(weather, normal, sign=-1):
    """Return the lead of the stated clock, or with the other sign its lag."""
    means = weather.groupby("hour").temp.mean().reindex(range(24))
    match = {h: pd.Series(np.roll(means, sign * h)).corr(normal) for h in range(-11, 13)}
    ahead = max(match, key=match.get)
    return {"clock": ahead} if ahead else {}


def degrees(weather, restored=True):
    """Return the unit, with or without the proof that a conversion mends it."""
    gaps = [
        (weather.humid - humidity(temp, dewp)).abs().median()
        for temp, dewp in ((weather.temp, weather.dewp), (1.8 * weather.temp + 32, 1.8 * weather.dewp + 32))
    ]
    return {"degrees": "Celsius"} if gaps[0] > 1 and (gaps[1] <= 1 or not restored) else {}


def gusts(weather, fewest=30):
    """Return the ratio where it is constant."""
    windy = weather[(weather.wind_speed > 0) & weather.wind_gust.notna()]
    ratio = windy.wind_gust / windy.wind_speed
    return {"gusts": ratio.median()} if len(windy) >= fewest and ratio.std() < 0.01 else {}


@wrong("23.5", says="'clock' is")
def behind_for_ahead(weather, normal):
    """Gives the lag for the lead."""
    return clock(weather, normal, sign=1) | degrees(weather) | gusts(weather)


@wrong("23.5", says="Celsius would not explain")
def any_wrong_humidity(weather, normal):
    """Takes every wrong humidity for Celsius."""
    return clock(weather, normal) | degrees(weather, restored=False) | gusts(weather)


@wrong("23.5", says="only 29 gusts")
def any_number_of_gusts(weather, normal):
    """Speaks of a ratio after two gusts."""
    return clock(weather, normal) | degrees(weather) | gusts(weather, fewest=2)


@wrong("23.5", says="a cold month with a small swing")
def too_cold_for_fahrenheit(weather, normal):
    """Takes low numbers for Celsius."""
    cold = {"degrees": "Celsius"} if weather.temp.mean() < 45 else {}
    return clock(weather, normal) | cold | gusts(weather)


@wrong("23.5", says="nobody noticed clock")
def coldest_hour_only(weather, normal):
    """Says nothing while the coldest hour is within six of the normal one."""
    found = clock(weather, normal)
    return (found if abs(found.get("clock", 0)) > 6 else {}) | degrees(weather) | gusts(weather)


@wrong("23.5", says="nobody noticed gusts")
def calm_hours_too(weather, normal):
    """Divides by the wind of calm hours."""
    ratio = weather.wind_gust / weather.wind_speed.where(weather.wind_speed > 0, 1)
    found = {"gusts": ratio.median()} if ratio.count() >= 30 and ratio.std() < 0.01 else {}
    return clock(weather, normal) | degrees(weather) | found


@wrong("23.5", says="is accused of")
def always_a_key(weather, normal):
    """Returns every key, with nothing in it."""
    return {"clock": 0, "degrees": None, "gusts": None} | clock(weather, normal) | degrees(weather) | gusts(weather)


# 23.6


def costs(faults, stop_cost, chance, together=True):
    """Decide with a given chance that a row is bad; compare the stop with the sum, or with the dearest rule."""
    warn, row = faults.rows * chance * faults.bad_row, faults.rows * (1 - chance) * faults.lost_row
    cheaper = np.minimum(warn, row)
    stop = (cheaper.sum() if together else cheaper.max()) > stop_cost
    severity = dict(zip(faults.rule, np.where(row < warn, "row", "warn").tolist(), strict=True))
    return {"severity": severity, "stop": stop, "euros": stop_cost if stop else cheaper.sum()}


def laplace(faults):
    """Return the chance by the rule of succession."""
    return (faults.bad + 1) / (faults.checked + 2)


@wrong("23.6", says="few checked rows prove little")
def by_the_share(faults, stop_cost):
    """Trusts the share of the rows that were checked."""
    return costs(faults, stop_cost, faults.bad / faults.checked)


@wrong("23.6", says="which error each costs")
def errors_swapped(faults, stop_cost):
    """Charges a warning for good rows and a refusal for bad ones."""
    return costs(faults, stop_cost, 1 - laplace(faults))


@wrong("23.6", says="over the rules with the cost of one stop")
def against_the_dearest_rule(faults, stop_cost):
    """Compares the stop with the dearest rule alone."""
    return costs(faults, stop_cost, laplace(faults), together=False)


@wrong("23.6", says="the expected cost of what you do")
def cost_of_going_on(faults, stop_cost):
    """Gives the cost of going on when it stops."""
    answer = costs(faults, stop_cost, laplace(faults))
    return answer | {"euros": costs(faults, np.inf, laplace(faults))["euros"]}


@wrong("23.6", says="as cheap, and then it is")
def ties_to_the_quarantine(faults, stop_cost):
    """Sets rows aside where both cost the same."""
    chance = laplace(faults)
    warn, row = faults.rows * chance * faults.bad_row, faults.rows * (1 - chance) * faults.lost_row
    severity = dict(zip(faults.rule, np.where(row <= warn, "row", "warn").tolist(), strict=True))
    return costs(faults, stop_cost, chance) | {"severity": severity}
