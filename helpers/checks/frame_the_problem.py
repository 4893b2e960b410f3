"""What the answers to the exercises of lesson 11 must do; 11.0 is the task inside the lesson."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import httpx
import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, type_name

HOUR = pd.Timedelta(hours=1)

# 11.0: euros for warnings


@check("11.0")
def check_euros_saved(euros_saved, rng: Generator) -> None:
    """Count the euros of a quiet season, of misses only, of false alarms only, and of a mixture."""
    flights = int(rng.integers(200, 400))
    none, some = np.zeros(flights, bool), rng.random(flights) < 0.3
    silent = _number(euros_saved(none, none))
    assert silent == 0, (
        f"Nobody was warned and nothing happened, and your count is {silent:,.0f} euros. Silence about a quiet flight "
        "costs nobody anything and spares nobody anything: look at that corner of the cost matrix."
    )
    missed = _number(euros_saved(none, some))
    assert missed == 0, (
        f"Nobody was warned, some flights were disrupted, and your count is {missed:,.0f} euros. The matrix counts "
        "what warnings save: without a warning nothing is saved and nothing is spent."
    )
    false = _number(euros_saved(~none, none))
    assert np.isclose(false, -1000), (
        f"1,000 false alarms come to {false:,.0f} euros saved in your count: each of them costs a euro."
    )
    warned = rng.random(flights) < 0.5
    saved = sum(5 if bad else -1 for sent, bad in zip(warned, some, strict=True) if sent)
    got = _number(euros_saved(warned, some))
    assert np.isclose(got, 1000 * saved / flights), (
        f"{flights} flights, some of them warned: {got:,.1f} euros is not what the matrix gives for 1,000 flights. "
        "Count each corner, and divide by all flights, warned or not."
    )


def _number(value: Any) -> float:
    assert np.ndim(value) == 0 and value is not None, f"Return one number: this is {type_name(value)}."
    return float(value)


# 11.1: a cost matrix


@check("11.1")
def check_bill(bill, rng: Generator) -> None:
    """Price rules with four different costs, on flights that are not a thousand, in lists and in arrays."""
    for flights in (int(rng.integers(30, 60)), int(rng.integers(150, 300))):
        disrupted = rng.random(flights) < rng.uniform(0.2, 0.6)
        rules = {f"rule {number}": rng.random(flights) < rng.uniform(0.1, 0.9) for number in range(4)}
        prices = rng.choice(np.arange(1, 40), 4, replace=False) / 4
        costs = dict(zip([(True, True), (True, False), (False, True), (False, False)], prices.tolist(), strict=True))
        before = {name: warned.copy() for name, warned in rules.items()}
        totals = bill(disrupted.copy(), rules, dict(costs))
        assert list(rules) == list(before), "The dict of rules that was passed in has changed: work on a copy."
        assert isinstance(totals, Mapping | pd.Series), (
            f"Return a dict from rules to euros: this is {type_name(totals)}."
        )
        _assert_bill(dict(totals), disrupted, before, costs)


def _assert_bill(
    totals: dict[str, float], disrupted: np.ndarray, rules: dict[str, np.ndarray], costs: dict[tuple[bool, bool], float]
) -> None:
    everything = rules | {"nobody": disrupted & False, "everybody": disrupted | True}
    absent, extra = set(everything) - set(totals), set(totals) - set(everything)
    assert not absent, f"{sorted(absent)} missing: a bill without the rules that need no model has no baseline."
    assert not extra, f"{sorted(extra)} is no rule that was asked for."
    for name, warned in everything.items():
        expected = 1000 * _slow_cost(warned, disrupted, costs) / len(disrupted)
        got = _number(totals[name])
        assert np.isclose(got, expected, rtol=0, atol=1e-6), (
            f"{name} on {len(disrupted)} flights comes to {got:,.2f} euros for 1,000. "
            + _reason(got, expected, disrupted)
        )
    order = [totals[name] for name in totals]
    assert order == sorted(order), "The rules are not in order: the cheapest comes first."


def _slow_cost(warned: np.ndarray, disrupted: np.ndarray, costs: dict[tuple[bool, bool], float]) -> float:
    return sum(costs[bool(sent), bool(bad)] for sent, bad in zip(warned, disrupted, strict=True))


def _reason(got: float, expected: float, disrupted: np.ndarray) -> str:
    if np.isclose(got, expected * len(disrupted) / 1000):
        return "That is the bill of these flights: the task asks for 1,000."
    return "Each of the four cases has its own price, also a correct warning and a correct silence."


# 11.2: another unit


@check("11.2")
def check_airport_hours(airport_hours, rng: Generator) -> None:
    """Judge hours with cancelled flights, hours without any arrival, and hours exactly at the limits."""
    for limit, share in ((30, 0.5), (int(rng.integers(20, 90)), 0.25)):
        flights = _hours_of_flights(rng, limit)
        before = flights.copy()
        verdicts = airport_hours(flights, limit, share)
        assert flights.equals(before), "The flights that were passed in have changed: work on a copy."
        _assert_hours(verdicts, before, limit, share)


def _assert_hours(verdicts: Any, flights: pd.DataFrame, limit: int, share: float) -> None:
    assert isinstance(verdicts, pd.Series) and verdicts.index.nlevels == 2, (
        f"Return a series on the index (origin, time_hour): this is {type_name(verdicts)}."
    )
    expected = _slow_hours(flights, limit, share)
    turned = verdicts.index.swaplevel()
    assert not (set(expected) <= set(turned)), (
        "The hours are all there, on the index (time_hour, origin): the task asks for (origin, time_hour)."
    )
    absent = [key for key in expected if key not in verdicts.index]
    assert not absent, (
        f"{len(absent)} hours of the schedule are missing, such as {absent[0][0]} with all of its flights cancelled: "
        "the unit is scheduled, whatever became of its flights."
    )
    assert len(verdicts) == len(expected), f"{len(expected)} airport hours were scheduled, you return {len(verdicts)}."
    wrong = [key for key, verdict in expected.items() if bool(verdicts[key]) != verdict]
    if wrong:
        mine = flights[(flights.origin == wrong[0][0]) & (flights.time_hour == wrong[0][1])]
        delays = ["cancelled" if pd.isna(row.dep_time) else row.arr_delay for row in mine.itertuples()]
        shown = ["diverted" if not isinstance(delay, str) and pd.isna(delay) else delay for delay in delays]
        raise AssertionError(
            f"An hour with {shown} at a limit of {limit} minutes and a share of {share} is {bool(verdicts[wrong[0]])} "
            "in your answer. Who was cancelled or diverted did not arrive as planned, and counts among the scheduled; "
            "a delay at the limit, and a share at the share, count."
        )


def _slow_hours(flights: pd.DataFrame, limit: int, share: float) -> dict[tuple[str, pd.Timestamp], bool]:
    found: dict[tuple[str, pd.Timestamp], list[bool]] = {}
    for row in flights.itertuples():
        bad = bool(pd.isna(row.arr_delay)) or row.arr_delay >= limit
        found.setdefault((row.origin, row.time_hour), []).append(bad)
    return {key: sum(bad) / len(bad) >= share for key, bad in found.items()}


def _hours_of_flights(rng: Generator, limit: int) -> pd.DataFrame:
    """Hours of four or eight flights: one all cancelled, one all diverted, some at the limits, the rest random."""
    start = pd.Timestamp("2013-07-01 10:00", tz="UTC")
    hours: list[list[float | str]] = [
        ["cancelled"] * 4,
        ["diverted"] * 4,
        [limit, limit, 0.0, -5.0],  # delays at the limit, half of them
        [limit, -1.0, -2.0, -3.0],  # a quarter
        ["cancelled", "cancelled", 5.0, 5.0],
        ["cancelled", "cancelled", "cancelled", limit - 1.0],
        ["diverted", 1.0, 2.0, 3.0],
        [limit - 1.0] * 4,
        [4.0 * limit, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # a mean above the limit of nothing
    ]
    for _ in range(30):
        delays = rng.integers(-20, 2 * limit, 8).astype(float)
        hours.append([str(rng.choice(["cancelled", "diverted"])) if rng.random() < 0.2 else delay for delay in delays])
    rows = [
        {
            "origin": ("JFK", "EWR", "LGA")[number % 3],
            "time_hour": start + (number // 3) * HOUR,
            "dep_time": np.nan if delay == "cancelled" else 1000.0,
            "arr_delay": np.nan if isinstance(delay, str) else delay,
        }
        for number, delays in enumerate(hours)
        for delay in delays
    ]
    flights = pd.DataFrame(rows).sample(frac=1, random_state=rng)
    return flights.set_axis(rng.permutation(len(flights)) + 700)


# 11.3: a baseline that sees the future


@check("11.3")
def check_board(board, rng: Generator) -> None:
    """Show boards of flights that leave late, never, early, and just at the ends of the window."""
    for _ in range(2):
        flights = _departures(rng)
        before = flights.copy()
        shown = board(flights)
        assert flights.equals(before), "The flights that were passed in have changed: work on a copy."
        _assert_board(shown, before)


def _assert_board(shown: Any, flights: pd.DataFrame) -> None:
    assert isinstance(shown, pd.Series | np.ndarray | list) and len(shown) == len(flights), (
        f"Return a series with one number for each of the {len(flights)} flights: this is {type_name(shown)}."
    )
    if isinstance(shown, pd.Series):
        assert shown.index.equals(flights.index), "The index is not that of the flights, in their order."
    values = np.asarray(shown, float)
    assert np.isfinite(values).all(), "Some boards are empty: where nothing has left in the three hours, show 0."
    rows = _rows(flights)
    expected = np.array(_slow_board(rows))
    if np.allclose(values, expected, rtol=0, atol=1e-6):
        return
    for knows, fault in (
        (dict(by_schedule=True), "it picks flights by when they were due. A flight that is due and still at the gate "
         "has no delay yet: only one that has left does"),
        (dict(by_schedule=True, cancelled=True), "it picks flights by when they were due, and takes the cancelled ones "
         "for punctual"),
        (dict(due=True), "it leaves out a flight that left before it was due, which is known all the same"),
        (dict(everywhere=True), "it mixes the airports"),
        (dict(ahead=0), "it looks at the time of departure: the decision is made two hours before"),
        (dict(closed=True), "it counts a flight that left just three hours before the decision"),
        (dict(open=True), "it leaves out a flight that leaves just at the decision"),
        (dict(length=1000), "it remembers more than three hours"),
    ):  # fmt: skip
        if np.allclose(values, _slow_board(rows, **knows), rtol=0, atol=1e-6):
            raise AssertionError(f"Your board is not what could have been shown: {fault}.")
    place = int(np.argmax(np.abs(values - expected) > 1e-6))
    raise AssertionError(
        f"The board of the flight scheduled at {flights.scheduled.iloc[place]:%H:%M} shows {values[place]:.2f}, which "
        "is not the mean delay of the flights of its airport that left in the three hours before the decision."
    )


class _Row(NamedTuple):
    origin: str
    scheduled: float  # minutes
    delay: float | None  # minutes, None for a cancelled flight


def _rows(flights: pd.DataFrame) -> list[_Row]:
    scheduled = (flights.scheduled - flights.scheduled.min()) / pd.Timedelta(minutes=1)
    delays = [None if np.isnan(delay) else delay for delay in flights.dep_delay]
    return [_Row(*row) for row in zip(flights.origin, scheduled, delays, strict=True)]


def _slow_board(
    rows: list[_Row],
    by_schedule: bool = False,
    cancelled: bool = False,
    due: bool = False,
    everywhere: bool = False,
    ahead: int = 2,
    closed: bool = False,
    open: bool = False,
    length: int = 3,
) -> list[float]:
    """The board of each flight, pair by pair; the switches make the mistakes that have a name."""
    boards = []
    for asked in rows:
        decision = asked.scheduled - 60 * ahead
        first, seen = decision - 60 * length, []
        for row in rows:
            if (row.origin != asked.origin and not everywhere) or (row.delay is None and not cancelled):
                continue
            if due and row.scheduled > decision:
                continue
            delay = row.delay or 0.0
            moment = row.scheduled + (0 if by_schedule else delay)
            begins = first <= moment if closed or by_schedule else first < moment
            if begins and (moment < decision if open else moment <= decision):
                seen.append(delay)
        boards.append(sum(seen) / len(seen) if seen else 0.0)
    return boards


def _departures(rng: Generator) -> pd.DataFrame:
    """Flights of two airports on an afternoon; a third is very late, some are cancelled, some at the window's ends."""
    count, start = 60, pd.Timestamp("2013-07-01 14:00", tz="UTC") + int(rng.integers(300)) * pd.Timedelta(days=1)
    scheduled = start + pd.to_timedelta(5 * rng.integers(0, 96, count), unit="min")
    delay = np.where(rng.random(count) < 0.3, rng.integers(60, 240, count), rng.integers(-10, 30, count)).astype(float)
    delay[rng.random(count) < 0.15] = np.nan
    flights = pd.DataFrame({"origin": rng.choice(["JFK", "LGA"], count), "scheduled": scheduled, "dep_delay": delay})
    # One flight asks at 18:00 about an airport where one left at 15:00, one at 18:00 and some in between: one that was
    # due before the window opened, one that left before it was due.
    ends = pd.DataFrame(
        {
            "origin": "EWR",
            "scheduled": [start + pd.Timedelta(minutes=m) for m in (30, 50, 160, 230, 245, 360)],
            "dep_delay": [90.0, 10.0, 20.0, 10.0, -8.0, 0.0],
        }
    )
    flights = pd.concat([flights, ends], ignore_index=True).sample(frac=1, random_state=rng)
    return flights.set_axis(rng.permutation(len(flights)) + 40)


# 11.4: a client


AWAY = httpx.ConnectError("the service is away")
LOST = httpx.ReadTimeout("the answer was lost on its way")  # for which the key is there


@check("11.4")
def check_ask(ask, rng: Generator) -> None:
    """Play a service that answers at once, later, never, or with a refusal."""
    plan = {"carrier": "MQ", "flight": int(rng.integers(1, 9999)), "origin": "JFK", "dest": "DCA"}
    answer = {"probability": round(float(rng.random()), 3), "decision": "warn"}
    first, second = (_Service([_ok(answer)]) for _ in range(2))
    for service in (first, second):
        _assert_answer(service.run(ask, plan, 3), answer)
    service_body = first.bodies[0]
    assert service_body == {"plan": plan}, (
        f"The service was sent {service_body}: the task asks for a plan under `plan`."
    )
    assert first.asked[0] == ("POST", "/v1/predictions"), f"The service was asked for {' '.join(first.asked[0])}."
    assert first.keys[0], "The request has no Idempotency-Key: when it is repeated, the prediction is stored twice."
    assert first.keys[0] != second.keys[0], (
        "Two calls sent the same key: the service takes the second for a repetition of the first."
    )
    _assert_patience(ask, plan, answer, rng)
    _assert_giving_up(ask, plan)
    _assert_refusals(ask, plan, answer)


def _assert_patience(ask: Callable, plan: dict[str, Any], answer: dict[str, Any], rng: Generator) -> None:
    pause = int(rng.integers(2, 9))
    service = _Service([_busy(pause), AWAY, LOST, _busy(None), _ok(answer)])
    _assert_answer(service.run(ask, plan, 6), answer)
    assert len(set(service.keys)) == 1, (
        f"The tries of one call carried {len(set(service.keys))} different keys: a request whose answer was lost would "
        "be stored again."
    )
    assert len(service.asked) == 5, f"Five requests were needed, {len(service.asked)} were sent."
    expected = [float(pause), 1.0, 1.0, 1.0]
    waits = [float(seconds) for seconds in service.waits]
    assert waits == expected, (
        f"After a 503 with `Retry-After: {pause}`, a refused connection, a lost answer and a 503 without the header "
        f"you waited {waits} seconds: the header says how long, and it is 1 where nothing is said."
    )


def _assert_giving_up(ask: Callable, plan: dict[str, Any]) -> None:
    for trouble, tries in ((_busy(1), 3), (AWAY, 4), (_busy(1), 1)):
        service = _Service([trouble] * 20)
        outcome = service.run(ask, plan, tries)
        assert isinstance(outcome, TimeoutError), (
            f"The service stayed away and your function ended with {_ending(outcome)}: raise TimeoutError when "
            "the tries are used up, so that nobody takes silence for an answer."
        )
        assert len(service.asked) == tries, f"With tries={tries} you sent {len(service.asked)} requests."
        assert len(service.waits) == tries - 1, (
            f"{tries} requests and {len(service.waits)} waits: wait between two requests, not after the last one."
        )


def _assert_refusals(ask: Callable, plan: dict[str, Any], answer: dict[str, Any]) -> None:
    for status, detail in ((422, "plan.dest: String should match pattern"), (401, "give the API key"), (500, "failed")):
        service = _Service([httpx.Response(status, json={"status": status, "detail": detail}), *[_ok(answer)] * 5])
        outcome = service.run(ask, plan, 4)
        assert len(service.asked) == 1, (
            f"A request that was refused with {status} was sent {len(service.asked)} times: it will be as wrong the "
            "next time."
        )
        assert isinstance(outcome, ValueError), f"After a {status} your function ended with {_ending(outcome)}."
        assert detail in str(outcome), (
            f"The service said what was wrong with a {status}, and your error says only {str(outcome)[:80]!r}: pass "
            "its `detail` on."
        )


def _assert_answer(outcome: Any, answer: dict[str, Any]) -> None:
    assert outcome == answer, f"The service answered {answer}, and your function ended with {_ending(outcome)}."


def _ending(outcome: Any) -> str:
    return f"{type(outcome).__name__}: {str(outcome)[:80]}" if isinstance(outcome, Exception) else repr(outcome)[:80]


def _ok(answer: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json=answer)


def _busy(seconds: int | None) -> httpx.Response:
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return httpx.Response(503, headers=headers, json={"status": 503, "detail": "try again in a second"})


class _Service:
    """A service that gives its answers in order, and remembers what it was asked."""

    def __init__(self, answers: Sequence[httpx.Response | httpx.TransportError]) -> None:
        self.answers: Iterator[httpx.Response | httpx.TransportError] = iter(answers)
        self.asked: list[tuple[str, str]] = []
        self.keys: list[str | None] = []
        self.bodies: list[Any] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path))
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.bodies.append(httpx.Response(200, content=request.content).json() if request.content else None)
        answer = next(self.answers, AWAY)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def run(self, ask: Callable, plan: dict[str, Any], tries: int) -> Any:
        """What the learner's function returned or raised."""
        with httpx.Client(transport=httpx.MockTransport(self), base_url="http://service") as client:
            try:
                return ask(client, dict(plan), tries, self.waits.append)
            except NotImplementedError:
                raise
            except Exception as error:
                return error


# 11.5: a horizon


@check("11.5")
def check_choose_horizon(choose_horizon, rng: Generator) -> None:
    """Sell horizons whose best is the sharpest in one case, and in another the one that saves most a hit."""
    for savings in ([9.0, 3.0, 2.0, 1.5], [1.0, 2.5, 4.0, 30.0], list(rng.uniform(2, 8, 4))):
        flights = int(rng.integers(180, 260))
        disrupted = rng.random(flights) < 0.35
        noise = dict(zip([0, 2, 8, 24], [0.3, 0.6, 1.0, 1.6], strict=True))
        forecasts = {hours: disrupted + rng.normal(scale=scale, size=flights) for hours, scale in noise.items()}
        saves = dict(zip(noise, savings, strict=True))
        capacity = float(rng.choice([0.15, 0.2, 0.27]))
        result = choose_horizon({h: p.copy() for h, p in forecasts.items()}, disrupted.copy(), dict(saves), capacity)
        _assert_horizon(result, forecasts, disrupted, saves, capacity)


def _assert_horizon(
    result: Any,
    forecasts: dict[int, np.ndarray],
    disrupted: np.ndarray,
    saves: dict[int, float],
    capacity: float,
) -> None:
    assert isinstance(result, Mapping) and {"saved", "horizon", "must_save"} <= set(result), (
        f"Return a dict with saved, horizon and must_save: this is {type_name(result)}."
    )
    flights, warned = len(disrupted), round(capacity * len(disrupted))
    hits = {hours: _slow_hits(forecast, disrupted, warned) for hours, forecast in forecasts.items()}
    saved = {hours: 1000 * (hits[hours] * saves[hours] - (warned - hits[hours])) / flights for hours in forecasts}
    got = {hours: _number(dict(result["saved"]).get(hours, np.nan)) for hours in forecasts}
    wrong = [hours for hours in forecasts if not np.isclose(got[hours], saved[hours], rtol=0, atol=1e-6)]
    if wrong:
        raise AssertionError(
            f"At {wrong[0]} hours your function saves {got[wrong[0]]:,.2f} euros for 1,000 flights. "
            + _horizon_reason(got[wrong[0]], hits[wrong[0]], saves[wrong[0]], warned, flights)
        )
    best = max(saved, key=lambda hours: saved[hours])
    assert result["horizon"] == best, (
        f"You choose {result['horizon']} hours, where {saved.get(result['horizon'], np.nan):,.0f} euros are saved; "
        f"another horizon saves {saved[best]:,.0f}. A better forecast or a dearer warning decides nothing alone."
    )
    for hours, hit in hits.items():
        needed = (saved[best] * flights / 1000 + warned - hit) / hit
        price = _number(dict(result["must_save"]).get(hours, np.nan))
        assert np.isclose(price, needed, rtol=0, atol=1e-6), (
            f"At {hours} hours a correct warning would have to save {price:,.4f} euros, you say. Put that in: with "
            f"{hit} correct warnings of {warned} the euros are not those of the chosen horizon."
        )


def _horizon_reason(got: float, hit: int, save: float, warned: int, flights: int) -> str:
    if np.isclose(got, hit * save - (warned - hit)):
        return "That is for these flights: the task asks for 1,000."
    if np.isclose(got, 1000 * hit * save / flights):
        return "The false alarms are missing: each of them costs a euro."
    if np.isclose(got, 1000 * (hit * save - (warned - hit)) / warned):
        return "That is for 1,000 warnings: the task asks for 1,000 flights, warned or not."
    return (
        f"The desk looks after {warned} of {flights} flights, those with the highest forecasts; count how many of "
        "them were disrupted, and what the others cost."
    )


def _slow_hits(forecast: np.ndarray, disrupted: np.ndarray, warned: int) -> int:
    pairs = sorted(zip(forecast, disrupted, strict=True), key=lambda pair: -pair[0])
    return sum(bool(bad) for _, bad in pairs[:warned])


# 11.6: whose promise


ROLES = ("data engineer", "data scientist", "software engineer", "ML engineer", "customer service")
# For each promise its role, and what to ask oneself when another one was named.
PROMISES = {
    "a": ("data engineer", "nothing is predicted here and nothing is concluded: does the table arrive as agreed?"),
    "b": ("data scientist", "the numbers are there and correct: is a difference between them real?"),
    "c": ("software engineer", "the forecast has done its work before the tap: what comes after it is a shop"),
    "d": ("ML engineer", "training and service are each fine alone: who looks at both at once?"),
    "e": ("customer service", "data can say what a limit costs, not what it should be: whose people are at the desk?"),
    "f": ("data engineer", "no model is involved: a load that was cut off is started again"),
    "g": ("data scientist", "this is an experiment, with a group that is treated and one that is not"),
    "h": ("ML engineer", "what is taken back is a model in service, with its threshold and its version"),
    "i": ("software engineer", "the forecast is the same in every language: what differs is the product around it"),
    "j": ("ML engineer", "no table is late and no request fails: only the forecasts have grown wrong"),
}  # fmt: skip


@check("11.6")
def check_owners(owners, rng: Generator) -> None:
    """Compare with the roles as the task describes them, in an order that the seed draws."""
    roles = owners()
    assert isinstance(roles, Mapping), f"Return a dict from the letters to the roles: this is {type_name(roles)}."
    assert set(roles) == set(PROMISES), (
        f"The promises are the letters a to j: yours are {', '.join(map(str, roles)) or 'none'}."
    )
    for letter in rng.permutation(sorted(PROMISES)):
        right, question = PROMISES[letter]
        assert roles[letter] in ROLES, f"{roles[letter]!r} is none of the five roles: {', '.join(ROLES)}."
        assert roles[letter] == right, f"Promise {letter} is not that of the {roles[letter]}: {question}."
