"""Wrong answers to the exercises of lesson 53: the mistakes that learners make, and the words that must meet them."""

import json
import math
import threading
from datetime import datetime
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from helpers.disruption.service import KeyReused
from helpers.disruption.worker import NotReady
from tests.wrong_answers import wrong

# 53.1


def report(due, sent, answered, budget, **other):
    """Return the right dict with some entries replaced."""
    latency = 1000 * (answered - due)
    p50, p99 = np.quantile(latency, [0.5, 0.99], method="inverted_cdf")
    right = {
        "reported_p99": np.quantile(1000 * (answered - sent), 0.99, method="inverted_cdf"),
        "p50": p50,
        "p99": p99,
        "over_budget": np.mean(latency > budget),
        "in_house": latency.sum() / 1000 / (answered.max() - due.min()),
    }
    return right | other


@wrong("53.1", says="count from `due`")
def believes_the_tool(due, sent, answered, budget):
    """Takes the tool's latency for the one that was met."""
    return report(due, sent, answered, budget, p99=report(sent, sent, answered, budget)["p99"])


@wrong("53.1", says="the latency of no request")
def interpolates(due, sent, answered, budget):
    """Leaves the percentile to the default, which lies between two observations."""
    return report(due, sent, answered, budget, p99=np.quantile(1000 * (answered - due), 0.99))


@wrong("53.1", says="in ms")
def in_seconds(due, sent, answered, budget):
    """Forgets that the budget is in milliseconds."""
    found = report(due, sent, answered, budget / 1000)
    return found | {"over_budget": np.mean(answered - due > budget)}


@wrong("53.1", says="one that equals the budget is within it")
def strict_budget(due, sent, answered, budget):
    """Counts a latency on the budget as over it."""
    return report(due, sent, answered, budget, over_budget=np.mean(1000 * (answered - due) >= budget))


@wrong("53.1", says="from the first due moment to the last answer")
def believes_the_order(due, sent, answered, budget):
    """Takes the first and the last row for the first and the last moment."""
    house = (answered - due).sum() / (answered[-1] - due[0])
    return report(due, sent, answered, budget, in_house=house)


@wrong("53.1", says="from `sent` to `answered`")
def tool_from_due(due, sent, answered, budget):
    """Reports for the tool what the tool did not see."""
    return report(due, sent, answered, budget, reported_p99=report(due, due, answered, budget)["p99"])


@wrong("53.1", says="a count at some moments comes near it only")
def counts_at_moments(due, sent, answered, budget):
    """Counts who is in the house at ten thousand moments."""
    moments = np.linspace(due.min(), answered.max(), 10_000)
    house = np.mean([((due <= now) & (now < answered)).sum() for now in moments])
    return report(due, sent, answered, budget, in_house=house)


# 53.2


def problem(status, title, detail, errors=None, headers=None):
    """Return a problem document as a response."""
    document = {"title": title, "status": status, "detail": detail} | ({"errors": errors} if errors else {})
    return Response(json.dumps(document), status, headers, "application/problem+json")


class Question(BaseModel):
    """The right contract."""

    model_config = ConfigDict(extra="forbid")
    origin: Literal["EWR", "JFK", "LGA"]
    dest: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    departure: AwareDatetime
    distance: Annotated[float, Field(gt=0, le=12_000, allow_inf_nan=False)]


def named(error):
    """Return the errors of a refusal."""
    return [{"field": str(fault["loc"][-1]), "detail": fault["msg"]} for fault in error.errors()]


def guarded(score, question):
    """Return the right answer to a right question."""
    try:
        probability = float(score(question.model_dump()))
    except NotReady:
        return problem(503, "Not now", "loading", headers={"Retry-After": "1"})
    except Exception:
        return problem(500, "A fault", "the service failed")
    if not 0 <= probability <= 1:
        return problem(500, "A fault", "the service failed")
    return {"probability": probability}


def app_with(score, contract=Question, errors=named, answer=guarded):
    """Return an app with some part replaced."""
    app = FastAPI()

    if errors:

        @app.exception_handler(RequestValidationError)
        def refuse(request, error):
            return problem(422, "Breaks the contract", "see errors", errors(error))

    @app.post("/predict")
    def predict(question: contract):
        return answer(score, question)

    return app


@wrong("53.2", says="nonsense in good health")
def only_types(score):
    """Keeps the types as they were given."""

    class Loose(BaseModel):
        origin: str
        dest: str
        departure: datetime
        distance: float

    return app_with(score, Loose)


@wrong("53.2", says="nonsense in good health")
def ignores_misspelt_fields(score):
    """Holds each field to its contract and lets others in."""

    class Open(Question):
        model_config = ConfigDict(extra="ignore")

    return app_with(score, Open)


@wrong("53.2", says="nonsense in good health")
def any_clock(score):
    """Takes a moment without its offset."""

    class Naive(Question):
        departure: datetime

    return app_with(score, Naive)


@wrong("53.2", says="nonsense in good health")
def keeps_the_default(score):
    """Keeps the distance that was invented for those who give none."""

    class Lenient(Question):
        distance: Annotated[float, Field(gt=0, le=12_000, allow_inf_nan=False)] = 500

    return app_with(score, Lenient)


@wrong("53.2", says="problem")
def default_refusal(score):
    """Leaves the refusal to the framework, which sends back what was sent."""
    return app_with(score, errors=None)


@wrong("53.2", says="your refusal must not crash")
def echoes_the_input(score):
    """Logs what was sent as JSON, and crashes where it is NaN."""

    def with_input(error):
        json.dumps([fault["input"] for fault in error.errors()], allow_nan=False, default=str)
        return named(error)

    return app_with(score, errors=with_input)


@wrong("53.2", says="repeats what was sent")
def tells_the_input(score):
    """Puts what was sent into the detail."""
    return app_with(score, errors=lambda error: [e | {"detail": str(error.errors()[0]["input"])} for e in named(error)])


@wrong("53.2", says="the refusal names")
def names_the_first_only(score):
    """Names one of several wrong fields."""
    return app_with(score, errors=lambda error: named(error)[:1])


@wrong("53.2", says="an invented")
def invents_a_probability(score):
    """Keeps the base rate for what fails."""

    def answer(score, question):
        try:
            return guarded(score, question) if score(question.model_dump()) is not None else None
        except NotReady:
            return problem(503, "Not now", "loading", headers={"Retry-After": "1"})
        except Exception:
            return {"probability": 0.27}

    return app_with(score, answer=answer)


@wrong("53.2", says="503 says that it may come again")
def every_failure_is_ours(score):
    """Takes a model that is being loaded for a fault."""

    def answer(score, question):
        try:
            return {"probability": float(score(question.model_dump()))}
        except Exception:
            return problem(500, "A fault", "the service failed")

    return app_with(score, answer=answer)


@wrong("53.2", says="which is no probability")
def clips(score):
    """Bends what is no probability into one."""

    def answer(score, question):
        try:
            return {"probability": min(max(0.0, float(score(question.model_dump()))), 1.0)}
        except NotReady:
            return problem(503, "Not now", "loading", headers={"Retry-After": "1"})
        except Exception:
            return problem(500, "A fault", "the service failed")

    return app_with(score, answer=answer)


@wrong("53.2", says="that belongs in the log")
def tells_the_exception(score):
    """Sends the text of the exception."""

    def answer(score, question):
        try:
            return {"probability": float(score(question.model_dump()))}
        except NotReady:
            return problem(503, "Not now", "loading", headers={"Retry-After": "1"})
        except Exception as error:
            return problem(500, "A fault", str(error))

    return app_with(score, answer=answer)


@wrong("53.2", says="that belongs in the log")
def tells_the_kind_of_exception(score):
    """Names the class of the exception."""

    def answer(score, question):
        try:
            probability = score(question.model_dump())
        except NotReady:
            return problem(503, "Not now", "loading", headers={"Retry-After": "1"})
        except Exception as error:
            return problem(500, "A fault", f"{type(error).__name__} in score")
        return guarded(lambda asked: probability, question)

    return app_with(score, answer=answer)


@wrong("53.2", says="that belongs in the log")
def tells_why_it_is_not_ready(score):
    """Sends the text of the exception that says to wait."""

    def answer(score, question):
        try:
            return {"probability": float(score(question.model_dump()))}
        except NotReady as error:
            return problem(503, "Not now", str(error), headers={"Retry-After": "1"})

    return app_with(score, answer=answer)


@wrong("53.2", says="is no JSON object")
def takes_the_second_step_for_the_field(score):
    """Fails where the fault is no field's."""
    return app_with(score, errors=lambda error: [e | {"field": f["loc"][1]} for e, f in pairs(error)])


def pairs(error):
    """Return each error of a refusal with the fault that it tells of."""
    return zip(named(error), error.errors(), strict=True)


@wrong("53.2", says="repeats what was sent")
def tells_the_number(score):
    """Puts a number that is too small into the detail."""

    def with_number(error):
        small = "greater_than"
        return [e | ({"detail": f"{f['input']} is too small"} if f["type"] == small else {}) for e, f in pairs(error)]

    return app_with(score, errors=with_number)


def app_with_dest(pattern):
    """Return a make_app whose destination has another pattern."""

    def make_app(score):
        class Other(Question):
            dest: Annotated[str, Field(pattern=pattern)]

        return app_with(score, Other)

    return make_app


any_case = wrong("53.2", says="nonsense in good health")(app_with_dest("^[A-Za-z]{2}[A-Z]$|^[A-Z][a-z][A-Z]$"))
with_digits = wrong("53.2", says="nonsense in good health")(app_with_dest("^[A-Z0-9]{3}$"))


@wrong("53.2", says="must still serve")
def a_floor_of_a_tenth(score):
    """Takes a tenth of a mile for the least distance."""

    class Floor(Question):
        distance: Annotated[float, Field(ge=0.1, le=12_000, allow_inf_nan=False)]

    return app_with(score, Floor)


@wrong("53.2", says="blocks the thread that serves everybody")
def computes_in_the_loop(score):
    """Scores in an `async def`."""
    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    def refuse(request, error):
        return problem(422, "Breaks the contract", "see errors", named(error))

    @app.post("/predict")
    async def predict(question: Question):
        return guarded(score, question)

    return app


# 53.3


@wrong("53.3", says="counts twice")
def remembers_nothing():
    """Runs the work every time."""
    return lambda key, body, work: work()


@wrong("53.3", says="there is a gap")
def looks_first():
    """Looks, then works, then writes, without a lock."""
    results, bodies = {}, {}

    def once(key, body, work):
        if key is None:
            return work()
        if bodies.setdefault(key, body) != body:
            raise KeyReused
        if key not in results:
            results[key] = work()
        return results[key]

    return once


@wrong("53.3", says="strangers do not wait")
def one_lock_for_all():
    """Holds one lock while any work runs."""
    results, bodies, lock = {}, {}, threading.Lock()

    def once(key, body, work):
        if key is None:
            return work()
        if bodies.setdefault(key, body) != body:
            raise KeyReused
        with lock:
            if key not in results:
                results[key] = work()
            return results[key]

    return once


def keyed(
    share=lambda key, body: key, compare=True, keep_failure=False, none_is_key=False, forget=False, test_none=False
):
    """Return a make_once with a mistake."""

    def make_once():
        table, entries = threading.Lock(), {}

        def once(key, body, work):
            if key is None and not none_is_key:
                return work()
            with table:
                entry = entries.setdefault(share(key, body), {"body": body, "lock": threading.Lock()})
            if compare and entry["body"] != body:
                raise KeyReused
            with entry["lock"]:
                if "error" in entry:
                    raise entry["error"]
                if entry.get("result") is None if test_none else "result" not in entry:
                    try:
                        entry["result"] = work()
                    except Exception as error:
                        if keep_failure:
                            entry["error"] = error
                        if forget:
                            entries.pop(key)
                        raise
                return entry["result"]

        return once

    return make_once


without_comparing = wrong("53.3", says="the answer to another question")(keyed(compare=False))
key_and_body = wrong("53.3", says="was not refused with KeyReused")(keyed(share=lambda key, body: (key, body)))
failed_for_ever = wrong("53.3", says="work that raised was not done")(keyed(keep_failure=True))
none_is_a_key = wrong("53.3", says="no key that two callers share")(keyed(none_is_key=True))
body_forgotten = wrong("53.3", says="the body stays bound")(keyed(forget=True))
none_is_no_result = wrong("53.3", says="was run again")(keyed(test_none=True))


@wrong("53.3", says="at once, without waiting")
def compares_after_waiting():
    """Compares the body under the lock of the key."""
    table, entries = threading.Lock(), {}

    def once(key, body, work):
        if key is None:
            return work()
        with table:
            entry = entries.setdefault(key, {"body": body, "lock": threading.Lock()})
        with entry["lock"]:
            if entry["body"] != body:
                raise KeyReused
            if "result" not in entry:
                entry["result"] = work()
            return entry["result"]

    return once


@wrong("53.3", says="both ran theirs")
def an_event_without_a_lock():
    """Wakes all who waited for work that failed, and each runs its own."""
    table, entries = threading.Lock(), {}

    def once(key, body, work):
        if key is None:
            return work()
        with table:
            is_first = key not in entries
            entry = entries.setdefault(key, {"body": body, "done": threading.Event()})
        if entry["body"] != body:
            raise KeyReused
        if not is_first:
            entry["done"].wait()
            if "result" in entry:
                return entry["result"]
        try:
            entry["result"] = work()
            return entry["result"]
        finally:
            entry["done"].set()

    return once


@wrong("53.3", says="was not kept")
def retries_are_not_kept():
    """Remembers that the first try failed, and never the result of a later one."""
    table, entries = threading.Lock(), {}

    def once(key, body, work):
        if key is None:
            return work()
        with table:
            entry = entries.setdefault(key, {"body": body, "lock": threading.Lock(), "failed": False})
        if entry["body"] != body:
            raise KeyReused
        with entry["lock"]:
            if "result" in entry or entry["failed"]:
                return entry["result"] if "result" in entry else work()
            try:
                entry["result"] = work()
            except Exception:
                entry["failed"] = True
                raise
            return entry["result"]

    return once


compares_lengths = wrong("53.3", says="the answer to another question")(
    lambda: (lambda once: lambda key, body, work: once(key, len(body), work))(keyed()())
)

MEMORY: dict = {}


@wrong("53.3", says="share their memory")
def one_memory():
    """Keeps the results in a global."""

    def once(key, body, work):
        if key is None:
            return work()
        if MEMORY.setdefault((key, "body"), body) != body:
            raise KeyReused
        if key not in MEMORY:
            MEMORY[key] = work()
        return MEMORY[key]

    return once


# 53.4


def kind_of(a, b):
    """How numbers that differ do so."""
    gone = np.isnan(a) != np.isnan(b)
    if gone.any() or len(a) < 3:
        return "missing" if gone.all() else "other"
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient, difference = a / b, a - b
    if np.isfinite(quotient).all() and np.ptp(quotient) <= 1e-6 * abs(quotient).max():
        return "factor"
    return "shift" if np.ptp(difference) <= 1e-6 else "other"


def compare(log, rebuild, order=True, key="prediction_id", equal=None, both=False, kind=kind_of):
    """Return the skew found with a mistake."""
    ids = [answer["prediction_id"] for answer in log]
    logged = pd.DataFrame([answer["features"] for answer in log], index=ids)
    rebuilt = rebuild(pd.DataFrame(log, index=ids)[["flight_id", "at"]])
    rebuilt = rebuilt.loc[ids] if order else rebuilt
    found = {name: {"share": 1.0, "kind": "absent"} for name in set(logged) ^ set(rebuilt) if not both}
    for name in set(logged) & set(rebuilt):
        a, b = logged[name], rebuilt[name]
        number = pd.api.types.is_numeric_dtype(b)
        if number:
            a, b = pd.to_numeric(a, errors="coerce").to_numpy(float), b.to_numpy(float)
            differ = equal(a, b) if equal else ~np.isclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)
        else:
            differ = a.astype(object).to_numpy() != b.astype(object).to_numpy()
        if differ.any():
            found[name] = {"share": differ.mean(), "kind": kind(a[differ], b[differ]) if number else "other"}
    return found


@wrong("53.4", says="in an order of its own")
def believes_the_order_of_rows(log, rebuild):
    """Compares row by row without the ids."""
    return compare(log, rebuild, order=False)


@wrong("53.4", says="missing on both sides")
def nan_is_not_nan(log, rebuild):
    """Takes two missing values for different."""
    return compare(log, rebuild, equal=lambda a, b: ~np.isclose(a, b, rtol=1e-9, atol=1e-9))


@wrong("53.4", says="gaps the service filled with zero")
def nan_is_never_different(log, rebuild):
    """Compares with a tolerance, which is never exceeded by NaN."""
    return compare(log, rebuild, equal=lambda a, b: abs(a - b) > 1e-9 * np.maximum(abs(b), 1))


@wrong("53.4", says="but for the last digit")
def to_the_bit(log, rebuild):
    """Allows no tolerance."""
    return compare(log, rebuild, equal=lambda a, b: (a != b) & ~(np.isnan(a) & np.isnan(b)))


@wrong("53.4", says="is not found")
def only_shared_features(log, rebuild):
    """Never looks at a feature that one side lacks."""
    return compare(log, rebuild, both=True)


@wrong("53.4", says="differs twice")
def two_points_make_a_line(log, rebuild):
    """Sees a rule in two answers."""

    def kind(a, b):
        return kind_of(np.tile(a, 2), np.tile(b, 2))

    return compare(log, rebuild, kind=kind)


@wrong("53.4", says="partly missing")
def any_gap_is_missing(log, rebuild):
    """Calls it missing as soon as one is."""

    def kind(a, b):
        return "missing" if (np.isnan(a) != np.isnan(b)).any() else kind_of(a, b)

    return compare(log, rebuild, kind=kind)


@wrong("53.4", says="with gaps on both sides differs on a share")
def share_of_what_is_there(log, rebuild):
    """Divides by the answers in which the service knew the feature."""
    found, table = compare(log, rebuild), pd.DataFrame([answer["features"] for answer in log])
    for name, entry in found.items():
        if entry["kind"] == "factor":
            entry["share"] *= len(table) / table[name].notna().sum()
    return found


# 53.5


def batches(arrivals, seconds, most, hold, full=True, side="right", take_all=False):
    """Return the times of the answers with a mistake."""
    times, free, place = [], -math.inf, 0
    while place < len(arrivals):
        ready = arrivals[place] + hold
        if full and place + most <= len(arrivals):
            ready = min(ready, arrivals[place + most - 1])
        start = max(free, ready)
        number = max(int(np.searchsorted(arrivals, start, side=side)) - place, 1)
        number = number if take_all else min(number, most)
        free = start + seconds(number)
        times += [free] * number
        place += number
    return times


@wrong("53.5", says="even when the batch is full")
def holds_always(arrivals, seconds, most, hold):
    """Waits for the time to pass though the batch is full."""
    return batches(arrivals, seconds, most, hold, full=False)


@wrong("53.5", says="does not wait for company")
def never_holds(arrivals, seconds, most, hold):
    """Takes what waits and forgets to hold."""
    return batches(arrivals, seconds, most, 0)


@wrong("53.5", says="one at a time")
def no_batches(arrivals, seconds, most, hold):
    """Serves each request by itself."""
    return batches(arrivals, seconds, 1, 0)


@wrong("53.5", says="at most")
def no_limit(arrivals, seconds, most, hold):
    """Takes all that wait."""
    return batches(arrivals, seconds, most, hold, take_all=True)


@wrong("53.5", says="With most=")
def leaves_out_the_latest(arrivals, seconds, most, hold):
    """Leaves out who arrives at the very moment of the start."""
    return batches(arrivals, seconds, most, hold, side="left")


@wrong("53.5", says="before a batch that begins at its arrival could be done")
def fixed_batches(arrivals, seconds, most, hold):
    """Cuts the requests into batches without looking at the clock."""
    times, free = [], 0.0
    for place in range(0, len(arrivals), most):
        part = arrivals[place : place + most]
        free = max(free, part[0]) + seconds(len(part))
        times += [free] * len(part)
    return times


@wrong("53.5", says="With most=")
def whole_seconds(arrivals, seconds, most, hold):
    """Rounds the times up to whole seconds."""
    return np.ceil(batches(arrivals, seconds, most, hold))


@wrong("53.5", says="have")
def a_time_a_batch(arrivals, seconds, most, hold):
    """Returns one time for each batch."""
    return list(dict.fromkeys(batches(arrivals, seconds, most, hold)))


# 53.6


def plan(curve, peak, budget, per_machine, price, safe=None, spare=1, extra=0, p99=None):
    """Return the plan with a mistake."""
    rates = sorted(curve)
    knee = next((place for place, rate in enumerate(rates) if curve[rate] > budget), len(rates))
    if knee == 0:
        return None
    safe = safe or rates[knee - 1]
    machines = math.ceil(math.ceil(peak / safe) / per_machine) + spare
    processes = machines * per_machine + extra
    share = peak / processes
    at_peak = curve[min(rate for rate in rates if rate >= share)] if p99 is None else p99
    return {
        "safe_rate": safe,
        "machines": machines,
        "processes": processes,
        "euros": machines * price,
        "p99_at_peak": at_peak,
    }


@wrong("53.6", says="one lucky")
def trusts_luck(curve, peak, budget, per_machine, price):
    """Takes the largest rate that keeps the budget, past the knee."""
    safe = max((rate for rate in curve if curve[rate] <= budget), default=None)
    return plan(curve, peak, budget, per_machine, price, safe=safe)


@wrong("53.6", says="One may fail")
def no_spare(curve, peak, budget, per_machine, price):
    """Rents what the peak needs."""
    return plan(curve, peak, budget, per_machine, price, spare=0)


@wrong("53.6", says="every machine is filled")
def a_spare_process(curve, peak, budget, per_machine, price):
    """Counts the processes that the peak needs, and one."""
    found = plan(curve, peak, budget, per_machine, price)
    return found and found | {"processes": math.ceil(peak / found["safe_rate"]) + 1}


@wrong("53.6", says="guess nothing in between")
def interpolated(curve, peak, budget, per_machine, price):
    """Draws a line between two rates."""
    rates = sorted(curve)
    knee = next(place for place, rate in enumerate(rates) if curve[rate] > budget)
    if knee == 0:
        return None
    low, high = rates[knee - 1], rates[knee]
    return plan(curve, peak, budget, per_machine, price, safe=low + 0.01 * (high - low))


@wrong("53.6", says="of exactly the budget is allowed")
def below_the_budget(curve, peak, budget, per_machine, price):
    """Allows only what is below the budget."""
    return plan(curve, peak, math.nextafter(budget, 0), per_machine, price)


@wrong("53.6", says="You promise a p99")
def promises_the_worst(curve, peak, budget, per_machine, price):
    """Promises the p99 of the safe rate, at which no process runs while all work."""
    found = plan(curve, peak, budget, per_machine, price)
    return found and found | {"p99_at_peak": curve[found["safe_rate"]]}


@wrong("53.6", says="You promise a p99")
def strictly_above_the_share(curve, peak, budget, per_machine, price):
    """Takes the next rate where a process's share is a measured one."""
    found = plan(curve, peak, budget, per_machine, price)
    if found is None:
        return None
    share = peak / found["processes"]
    return found | {"p99_at_peak": curve[min(rate for rate in curve if rate > share)]}


@wrong("53.6", says="return None")
def promises_anyway(curve, peak, budget, per_machine, price):
    """Takes the lowest rate where none is safe."""
    return plan(curve, peak, budget, per_machine, price) or plan(
        curve, peak, max(curve.values()), per_machine, price, safe=min(curve)
    )
