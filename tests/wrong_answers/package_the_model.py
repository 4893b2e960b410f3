"""Wrong answers to the exercises of lesson 51: the mistakes that learners make, and the words that must meet them."""

from statistics import NormalDist

import numpy as np

from tests.wrong_answers import wrong

# 51.1


def layered(defaults, file, environ, of_text, fits=lambda kind, value: type(value) is kind):
    """Merge the layers, with a reader of texts and a rule for what fits."""
    found, faults = dict(defaults), []
    for name, value in file.items():
        kind = type(defaults.get(name))
        if name in defaults and (fits(kind, value) or (kind is float and type(value) is int)):
            found[name] = kind(value)
        else:
            faults.append(f"{name}={value!r}")
    for variable, text in environ.items():
        name = variable.removeprefix("RISK_").lower()
        if variable.startswith("RISK_"):
            try:
                found[name] = of_text(type(defaults[name]), text)
            except (KeyError, ValueError):
                faults.append(f"{name}={text!r}")
    if faults:
        raise ValueError("; ".join(faults))
    return found


def read_text(kind, text):
    """Read a text as it is meant."""
    return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)


@wrong("51.1", says="a text is read for what it says")
def bool_of_a_text(defaults, file, environ):
    """Takes every text for true."""
    return layered(defaults, file, environ, lambda kind, text: kind(text))


@wrong("51.1", says="no error was raised")
def merges_without_looking(defaults, file, environ):
    """Takes whatever the layers hold."""
    own = {name[5:].lower(): text for name, text in environ.items() if name.startswith("RISK_")}
    return {name: type(value)(own.get(name, file.get(name, value))) for name, value in defaults.items()}


@wrong("51.1", says="the environment overrules the file")
def file_wins(defaults, file, environ):
    """Lets the file overrule the environment."""
    found = layered(defaults, file, environ, read_text)
    return found | {name: type(defaults[name])(value) for name, value in file.items()}


@wrong("51.1", says="it has the type of its default")
def whole_number_stays(defaults, file, environ):
    """Leaves a whole number of the file whole."""
    found = layered(defaults, file, environ, read_text)
    return found | {name: value for name, value in file.items() if f"RISK_{name.upper()}" not in environ}


@wrong("51.1", says="no error was raised")
def true_is_one(defaults, file, environ):
    """Takes True for a number."""
    return layered(defaults, file, environ, read_text, lambda kind, value: isinstance(value, kind))


@wrong("51.1", says="names every setting that is wrong")
def stops_at_the_first(defaults, file, environ):
    """Names the first fault only."""
    try:
        return layered(defaults, file, environ, read_text)
    except ValueError as error:
        raise ValueError(str(error).split("; ")[0]) from None


@wrong("51.1", says="names every setting that is wrong")
def first_text_only(defaults, file, environ):
    """Names every fault of the file, and only the first of the environment."""
    try:
        return layered(defaults, file, environ, read_text)
    except ValueError as error:
        faults = str(error).split("; ")
        of_file = [fault for fault in faults if fault.split("=")[0] in file]
        raise ValueError("; ".join([*of_file, *[fault for fault in faults if fault not in of_file][:1]])) from None


@wrong("51.1", says="the message is")
def bad_text_leaves_the_file(defaults, file, environ):
    """Falls back on the file where the environment has a bad text."""
    used = {}
    for variable, text in environ.items():
        try:
            layered(defaults, {}, {variable: text}, read_text)
        except ValueError:
            if variable.removeprefix("RISK_").lower() in file:
                continue
        used[variable] = text
    return layered(defaults, file, used, read_text)


@wrong("51.1", says="raise a ValueError that says why")
def key_error(defaults, file, environ):
    """Lets the look-up of an unknown setting fail."""
    for name in file:
        defaults[name]
    return layered(defaults, file, environ, read_text)


@wrong("51.1", says="the message is")
def says_nothing(defaults, file, environ):
    """Raises without a reason."""
    try:
        return layered(defaults, file, environ, read_text)
    except ValueError:
        raise ValueError("the settings are wrong") from None


@wrong("51.1", says="nothing is wrong, and a ValueError was raised")
def prefix_without_its_line(defaults, file, environ):
    """Takes every variable that begins with RISK for its own."""
    own = {f"RISK_{name[4:].removeprefix('_')}": text for name, text in environ.items() if name.startswith("RISK")}
    return layered(defaults, file, own, read_text)


@wrong("51.1", says="it goes into a log")
def says_everything(defaults, file, environ):
    """Shows both sources whole."""
    try:
        return layered(defaults, file, environ, read_text)
    except ValueError as error:
        raise ValueError(f"{error} in {file} or {environ}") from None


# 51.2


def model(rates, overall, median, mean, deviation):
    """Return the forecast by these learnt values."""

    def forecast(asked):
        return asked.carrier.map(rates).fillna(overall) + 0.05 * (asked.wind.fillna(median) - mean) / deviation

    return forecast


def rates_of(flights):
    """Return the share of late flights of each carrier."""
    return flights.groupby("carrier").late.mean()


def broken_given(flights, rates={}):  # noqa: B006
    """The code of the task."""
    for carrier, late in flights.groupby("carrier").late:
        rates[carrier] = late.mean()

    def forecast(asked):
        asked["wind"] = asked.wind.fillna(asked.wind.median())
        z = (asked.wind - asked.wind.mean()) / asked.wind.std()
        for carrier in asked.carrier:
            rates.setdefault(carrier, flights.late.mean())
        return asked.carrier.map(rates) + 0.05 * z

    return forecast


@wrong("51.2", says="written into the table")
def broken_as_given(flights):
    """The code of the task, with a table of rates of its own."""
    return broken_given(flights, {})


@wrong("51.2", says="not what the training flights teach")
def scaled_by_the_batch(flights):
    """Scales and fills by the flights that are asked."""
    rates, overall = rates_of(flights), flights.late.mean()
    return lambda asked: model(rates, overall, asked.wind.median(), asked.wind.mean(), asked.wind.std())(asked)


@wrong("51.2", says="not what the training flights teach")
def filled_by_the_batch(flights):
    """Fills gaps with the median of the flights that are asked."""
    rates, overall, mean, deviation = rates_of(flights), flights.late.mean(), flights.wind.mean(), flights.wind.std()
    return lambda asked: model(rates, overall, asked.wind.median(), mean, deviation)(asked)


SHARED: dict = {}


@wrong("51.2", says="after another model was learnt")
def shared_rates(flights):
    """Keeps the rates of all models in one place."""
    SHARED.clear()
    SHARED.update(rates_of(flights))
    return model(SHARED, flights.late.mean(), flights.wind.median(), flights.wind.mean(), flights.wind.std())


@wrong("51.2", says="after the training table has changed")
def learns_at_each_question(flights):
    """Looks into the training table each time."""
    return lambda asked: model(
        rates_of(flights), flights.late.mean(), flights.wind.median(), flights.wind.mean(), flights.wind.std()
    )(asked)


@wrong("51.2", says="of a new carrier")
def stranger_unknown(flights):
    """Has nothing to say about a carrier that it does not know."""
    rates, median, mean, deviation = rates_of(flights), flights.wind.median(), flights.wind.mean(), flights.wind.std()
    return lambda asked: asked.carrier.map(rates) + 0.05 * (asked.wind.fillna(median) - mean) / deviation


@wrong("51.2", says="not what the training flights teach")
def gaps_count(flights):
    """Fills the training winds before it takes their mean and spread."""
    wind = flights.wind.fillna(flights.wind.median())
    return model(rates_of(flights), flights.late.mean(), wind.median(), wind.mean(), wind.std())


@wrong("51.2", says="training table that was passed in has changed")
def fills_the_training(flights):
    """Fills the gaps in the training table itself."""
    learnt = model(
        rates_of(flights), flights.late.mean(), flights.wind.median(), flights.wind.mean(), flights.wind.std()
    )
    flights["wind"] = flights.wind.fillna(0.0)
    return learnt


@wrong("51.2", says="asked again with another wind")
def remembers_by_label(flights):
    """Remembers its answers by the label of the flight."""
    rates, wind = rates_of(flights), flights.wind
    learnt = model(rates, flights.late.mean(), wind.median(), wind.mean(), wind.std())
    memory = {}

    def forecast(asked):
        answers = zip(asked.index, learnt(asked), strict=True)
        return [memory.setdefault(label, answer) for label, answer in answers]

    return forecast


# 51.3


def moved(ask, flights, change):
    """Return the moves of the forecasts."""
    before = np.asarray(ask(flights.copy()), float)
    return np.asarray(ask(change(flights.copy())), float) - before


@wrong("51.3", says="is missing is not among the violations")
def missing_is_fine(ask, flights, change, sense, tolerance):
    """Compares for what is violated, which NaN never is."""
    move = moved(ask, flights, change)
    bad = {"same": np.abs(move) > tolerance, "up": move < -tolerance, "down": move > tolerance}[sense]
    return flights.index[bad].tolist()


@wrong("51.3", says="is missing is not among the violations")
def missing_only_after(ask, flights, change, sense, tolerance):
    """Looks for missing forecasts only after the change."""
    move = moved(ask, flights, change)
    bad = {"same": np.abs(move) > tolerance, "up": move < -tolerance, "down": move > tolerance}[sense]
    after = np.asarray(ask(change(flights.copy())), float)
    return flights.index[bad | np.isnan(after)].tolist()


@wrong("51.3", says="is not among the violations")
def change_in_place(ask, flights, change, sense, tolerance):
    """Ignores what `change` returns and counts on its writing into the table."""
    before, table = np.asarray(ask(flights.copy()), float), flights.copy()
    change(table)
    move = np.asarray(ask(table), float) - before
    allowed = {"same": np.abs(move) <= tolerance, "up": move >= -tolerance, "down": move <= tolerance}[sense]
    return flights.index[~allowed].tolist()


@wrong("51.3", says="give away copies")
def no_copies(ask, flights, change, sense, tolerance):
    """Trusts the model with the table."""
    before = np.asarray(ask(flights), float)
    move = np.asarray(ask(change(flights)), float) - before
    return flights.index[~(np.abs(move) <= tolerance)].tolist()


@wrong("51.3", says="is no violation")
def at_the_tolerance(ask, flights, change, sense, tolerance):
    """Does not forgive a move of exactly the tolerance."""
    move = moved(ask, flights, change)
    allowed = {"same": np.abs(move) < tolerance, "up": move > -tolerance, "down": move < tolerance}[sense]
    return flights.index[~allowed].tolist()


@wrong("51.3", says="is not among the violations")
def turned_round(ask, flights, change, sense, tolerance):
    """Mixes up and down."""
    move = moved(ask, flights, change)
    allowed = {"same": np.abs(move) <= tolerance, "up": move <= tolerance, "down": move >= -tolerance}[sense]
    return flights.index[~allowed].tolist()


@wrong("51.3", says="is no violation")
def no_tolerance_for_directions(ask, flights, change, sense, tolerance):
    """Forgives in both directions or in none."""
    move = moved(ask, flights, change)
    allowed = {"same": np.abs(move) <= tolerance, "up": move >= 0, "down": move <= 0}[sense]
    return flights.index[~allowed].tolist()


@wrong("51.3", says="is not among the violations")
def close_enough(ask, flights, change, sense, tolerance):
    """Compares as NumPy does when nothing else is said, and forgives a share of the forecast."""
    before = np.asarray(ask(flights.copy()), float)
    after = np.asarray(ask(change(flights.copy())), float)
    near = np.isclose(after, before, atol=tolerance)
    allowed = {"same": near, "up": near | (after > before), "down": near | (after < before)}[sense]
    return flights.index[~allowed].tolist()


@wrong("51.3", says="which is no index label")
def positions(ask, flights, change, sense, tolerance):
    """Returns positions instead of labels."""
    move = moved(ask, flights, change)
    allowed = {"same": np.abs(move) <= tolerance, "up": move >= -tolerance, "down": move <= tolerance}[sense]
    return np.flatnonzero(~allowed).tolist()


@wrong("51.3", says="their order is not")
def sorted_labels(ask, flights, change, sense, tolerance):
    """Sorts the labels."""
    move = moved(ask, flights, change)
    allowed = {"same": np.abs(move) <= tolerance, "up": move >= -tolerance, "down": move <= tolerance}[sense]
    return sorted(flights.index[~allowed], key=lambda label: int(label[1:]))


# 51.4

STAGES = ["install", "lint", "test", "build", "publish"]
LOCK = "${{ hashFiles('requirements.txt') }}"
LOCKED = "pip install --require-hashes -r requirements.txt"


def command_of(command, is_locked=True, is_strict=True):
    """Return a command without its faults."""
    if is_locked and command.startswith("pip install") and "--require-hashes" not in command:
        return LOCKED
    return command.removesuffix(" || true") if is_strict else command


def step_of(step, is_locked=True, is_strict=True, is_silent=True, drops=("continue-on-error",), suffix=f"-{LOCK}"):
    """Return a step without its faults."""
    sound = {key: value for key, value in step.items() if key not in drops}
    commands = [c for c in step["run"] if not (is_silent and c.startswith("echo") and "secrets." in c)]
    sound["run"] = [command_of(command, is_locked, is_strict) for command in commands]
    if LOCK not in sound.get("cache-key", LOCK):
        sound["cache-key"] += suffix
    return sound


def in_order(steps):
    """Return the steps in the order of the stages."""
    return sorted(steps, key=lambda step: STAGES.index(step["stage"]))


@wrong("51.4", says="before what should hold it has run")
def order_left(steps):
    """Leaves the order as it is."""
    return [step_of(step) for step in steps]


@wrong("51.4", says="before what should hold it has run")
def alphabetical(steps):
    """Sorts the stages by the alphabet."""
    return sorted(map(step_of, steps), key=lambda step: step["stage"])


@wrong("51.4", says="green whatever happens")
def or_true_left(steps):
    """Leaves `|| true`."""
    return in_order(step_of(step, is_strict=False) for step in steps)


@wrong("51.4", says="green whatever happens")
def or_true_after_install(steps):
    """Looks at `|| true` only where nothing is installed."""

    def mended(command):
        return command_of(command, is_strict=not command.startswith("pip install"))

    return in_order(
        {**step_of(step, is_strict=False), "run": [*map(mended, step_of(step, is_strict=False)["run"])]}
        for step in steps
    )


@wrong("51.4", says="keep them all")
def drops_empty_steps(steps):
    """Drops a step that has nothing left to run."""
    return in_order(step for step in map(step_of, steps) if step["run"])


@wrong("51.4", says="stays the same when the lock changes")
def key_names_the_lock(steps):
    """Takes a key that names the lock for one that holds it."""
    return in_order(
        step_of(step, suffix="" if "requirements.txt" in step.get("cache-key", "") else f"-{LOCK}") for step in steps
    )


@wrong("51.4", says="stays the same when the lock changes")
def any_hash(steps):
    """Takes the hash of any file for that of the lock."""
    return in_order(
        step_of(step, suffix="" if "hashFiles" in step.get("cache-key", "") else f"-{LOCK}") for step in steps
    )


@wrong("51.4", says="the failure is swallowed")
def continues(steps):
    """Leaves continue-on-error."""
    return in_order(step_of(step, drops=()) for step in steps)


@wrong("51.4", says="stays the same when the lock changes")
def cache_left(steps):
    """Leaves the cache key."""
    return in_order(step_of(step, suffix="") for step in steps)


@wrong("51.4", says="the newest today")
def unlocked(steps):
    """Installs without the lock."""
    return in_order(step_of(step, is_locked=False) for step in steps)


@wrong("51.4", says="writes a secret into the log")
def prints_secrets(steps):
    """Leaves the commands that print."""
    return in_order(step_of(step, is_silent=False) for step in steps)


@wrong("51.4", says="nothing else")
def drops_every_secret(steps):
    """Drops each command that holds a secret, the one that needs it too."""
    return in_order(
        step_of({**step, "run": [command for command in step["run"] if "secrets." not in command]}) for step in steps
    )


@wrong("51.4", says="nothing else")
def drops_every_echo(steps):
    """Drops whatever prints."""
    return in_order(
        step_of({**step, "run": [command for command in step["run"] if not command.startswith("echo")]})
        for step in steps
    )


def with_commands(steps, mended):
    """Return the mended steps with the commands that `mended` makes of (command, step), without those that print."""
    sound = [step_of(step, is_locked=False, is_strict=False) for step in steps]
    return in_order({**step, "run": [mended(command, step) for command in step["run"]]} for step in sound)


@wrong("51.4", says="nothing else")
def pip_anywhere(steps):
    """Takes each command that speaks of `pip install` for one that installs."""

    def mended(command, step):
        is_loose = "pip install" in command and "--require-hashes" not in command
        return LOCKED if is_loose else command_of(command)

    return with_commands(steps, mended)


@wrong("51.4", says="nothing else")
def any_pip(steps):
    """Takes each command of pip for one that installs."""

    def mended(command, step):
        is_loose = command.startswith("pip") and "--require-hashes" not in command
        return LOCKED if is_loose else command_of(command)

    return with_commands(steps, mended)


@wrong("51.4", says="nothing else")
def or_true_anywhere(steps):
    """Takes `|| true` out of the middle of a command too."""
    return with_commands(steps, lambda command, step: command_of(command.replace(" || true", "")))


@wrong("51.4", says="the newest today")
def only_install_steps(steps):
    """Looks for installations only where they should stand."""
    return with_commands(steps, lambda command, step: command_of(command, is_locked=step["stage"] == "install"))


@wrong("51.4", says="writes a secret into the log")
def secrets_where_they_are_used(steps):
    """Looks for printed secrets only in the steps that install and publish."""
    return in_order(step_of(step, is_silent=step["stage"] in ("install", "publish")) for step in steps)


@wrong("51.4", says="nothing else")
def the_word_secret(steps):
    """Drops whatever prints the word."""
    kept = [[c for c in step["run"] if not (c.startswith("echo") and "secret" in c)] for step in steps]
    return in_order(step_of({**step, "run": commands}) for step, commands in zip(steps, kept, strict=True))


@wrong("51.4", says="the failure is swallowed")
def false_stays(steps):
    """Leaves `continue-on-error` where it is false."""
    drops = [("continue-on-error",) if step.get("continue-on-error") else () for step in steps]
    return in_order(step_of(step, drops=dropped) for step, dropped in zip(steps, drops, strict=True))


@wrong("51.4", says="have changed")
def in_place(steps):
    """Mends the steps that were passed in."""
    for step in steps:
        step.update(step_of(step))
        step.pop("continue-on-error", None)
    return in_order(steps)


@wrong("51.4", says="keep their order")
def by_name(steps):
    """Sorts the steps of one stage by name."""
    return sorted(map(step_of, steps), key=lambda step: (STAGES.index(step["stage"]), step["name"][::-1]))


# 51.5


def by_days(table):
    """Return the mean and its jackknife error by days."""
    days = table.groupby("day").worse.agg(["sum", "count"])
    without = (days["sum"].sum() - days["sum"]) / (days["count"].sum() - days["count"])
    return table.worse.mean(), ((len(days) - 1) * without.var(ddof=0)) ** 0.5


def by_flights(table):
    """Return the mean and its error as if flights were independent."""
    return table.worse.mean(), table.worse.std() / len(table) ** 0.5


def by_day_means(table):
    """Return the mean of the days' means and its error."""
    means = table.groupby("day").worse.mean()
    return means.mean(), means.std() / len(means) ** 0.5


def decided(invariance, slices, error_of=by_days, z=None, shortest=30, watch_short=True, tolerated=0, watch_at=1.96):
    """Decide by one policy."""
    long = [name for name, table in slices.items() if table.day.nunique() >= shortest]
    z = z or NormalDist().inv_cdf(1 - 0.025 / max(len(long), 1))
    block, watch = [name for name, count in invariance.items() if count > tolerated], []
    for name, table in slices.items():
        mean, error = error_of(table)
        if name in long and mean - z * error > 0:
            block.append(name)
        elif mean - watch_at * error > 0 or (watch_short and name not in long and mean > 0):
            watch.append(name)
    return {"ship": not block, "block": sorted(block), "watch": sorted(watch)}


@wrong("51.5", says="and not beyond doubt")
def each_slice_at_95(invariance, slices):
    """Does not share the doubt out."""
    return decided(invariance, slices, z=1.96)


@wrong("51.5", says="A slice (")
def flights_are_independent(invariance, slices):
    """Takes the flights for independent."""
    return decided(invariance, slices, by_flights)


@wrong("51.5", says="A slice (")
def days_weigh_the_same(invariance, slices):
    """Takes the mean of the days' means."""
    return decided(invariance, slices, by_day_means)


@wrong("51.5", says="A slice (")
def short_slices_block(invariance, slices):
    """Lets short slices block."""
    return decided(invariance, slices, shortest=1)


@wrong("51.5", says="A slice (")
def a_day_too_few(invariance, slices):
    """Lets a slice of 29 days block."""
    return decided(invariance, slices, shortest=29)


@wrong("51.5", says="it is short, and only watched")
def much_worse_blocks(invariance, slices):
    """Lets a short slice block too when it is much worse."""
    found, ratios = decided(invariance, slices), {}
    for name in found["watch"]:
        mean, error = by_days(slices[name])
        ratios[name] = mean / error
    block = sorted([*found["block"], *(name for name, ratio in ratios.items() if ratio > 3)])
    return {"ship": not block, "block": block, "watch": sorted(set(found["watch"]) - set(block))}


@wrong("51.5", says="is not watched")
def two_errors(invariance, slices):
    """Watches from two standard errors on."""
    return decided(invariance, slices, watch_at=2.0)


@wrong("51.5", says="is not watched")
def short_slices_forgotten(invariance, slices):
    """Watches a short slice only when it is significantly worse."""
    return decided(invariance, slices, watch_short=False)


@wrong("51.5", says="it is exact")
def forgives_one_violation(invariance, slices):
    """Takes a single violation for noise."""
    return decided(invariance, slices, tolerated=1)


@wrong("51.5", says="ship is")
def ships_anyway(invariance, slices):
    """Ships when only slices block."""
    return decided(invariance, slices) | {"ship": not any(invariance.values())}


@wrong("51.5", says="ship is")
def ships_only_what_is_clean(invariance, slices):
    """Takes what is watched for a reason not to ship."""
    found = decided(invariance, slices)
    return found | {"ship": not found["block"] and not found["watch"]}


@wrong("51.5", says="in order, each once")
def unsorted(invariance, slices):
    """Gives the names backwards."""
    found = decided(invariance, slices)
    return found | {"watch": found["watch"][::-1], "block": found["block"][::-1]}


# 51.6

RIGHT = {"A": (9, "alone"), "B": (4, "future"), "C": (None, None), "D": (14, "wind"), "E": (13, "columns")}


@wrong("51.6", says="with line 8 put back")
def the_line_above():
    """Marks the line that was only renamed."""
    return RIGHT | {"A": (8, "alone")}


@wrong("51.6", says="is green with it")
def another_test():
    """Names a test that does not see it."""
    return RIGHT | {"D": (14, "sight")}


@wrong("51.6", says="so there is no line to put back")
def suspects_the_sound_one():
    """Marks a line of the sound change."""
    return RIGHT | {"C": (14, "wind")}


@wrong("51.6", says="is not sound")
def trusts_the_cap():
    """Takes the remainder for a cap."""
    return RIGHT | {"D": (None, None)}


@wrong("51.6", says="was not changed")
def marks_what_stood_there():
    """Marks the line that uses the age instead of the one that changed it."""
    return RIGHT | {"B": (8, "future")}


@wrong("51.6", says="none of the tests")
def golden():
    """Names a test that does not exist here."""
    return RIGHT | {"E": (13, "golden")}


@wrong("51.6", says="Return a dict with the changes")
def only_the_faults():
    """Leaves the sound change out."""
    return {change: pair for change, pair in RIGHT.items() if pair[0]}
