"""What the answers to the exercises of lesson 53 must do."""

import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from fastapi import FastAPI
from fastapi.testclient import TestClient
from numpy.random import Generator

from helpers.checks.core import check, one_number_a_row, type_name
from helpers.disruption.service import KeyReused
from helpers.disruption.worker import NotReady

NUMBERS = count()  # a key is never used for two judgements, whatever an answer remembers
PATIENCE = 1.0  # seconds in which a thread that need not wait must be done
GLANCE = 0.05  # seconds after which a thread that must wait is still waiting
REPEATS = "The refusal repeats what was sent; that ends up in other people's logs."
INSIDE = "The answer tells what went wrong inside, in the exception's words or by its name; that belongs in the log."

# 53.1: a load test


@check("53.1")
def check_read_load_test(read_load_test, rng: Generator) -> None:
    """Judge tests in which the tool was late itself, in any order, and one whose latencies stand on the budget."""
    for number in (150, 40):
        due, sent, answered, budget = _load_test(rng, number)
        given = due.copy(), sent.copy(), answered.copy()
        found = read_load_test(*given, budget)
        names = ("reported_p99", "p50", "p99", "over_budget", "in_house")
        found = _numbers(found, names)
        waited = [1000 * float(end - start) for start, end in zip(due, answered, strict=True)]
        tools = [1000 * float(end - start) for start, end in zip(sent, answered, strict=True)]
        assert abs(found["reported_p99"] - _rank(tools, 99)) < 1e-6, (
            f"The tool's own p99 is {found['reported_p99']:.6g} ms with you: it counts from `sent` to `answered`, in "
            "ms, and its percentile is a latency that occurred."
        )
        for name, percent in (("p50", 50), ("p99", 99)):
            _assert_percentile(name, found[name], waited, tools, percent)
        over = sum(latency > budget for latency in waited) / number
        assert abs(found["over_budget"] - over) < 1e-6, (
            f"The share over the budget is {found['over_budget']:.4g} with you. Latencies count from `due`, in ms like "
            "the budget; one that equals the budget is within it; and it is a share, from 0 to 1."
        )
        house = sum(waited) / 1000 / (max(answered) - min(due))
        assert abs(found["in_house"] - house) < 1e-6, (
            f"The mean number in the house is {found['in_house']:.4g} with you. Each request is in it from `due` "
            "to `answered`; the time runs from the first due moment to the last answer, wherever these stand. It is "
            "exact, all latencies divided by the time: a count at some moments comes near it only."
        )


def _assert_percentile(name: str, found: float, waited: list[float], tools: list[float], percent: int) -> None:
    expected = _rank(waited, percent)
    from_sent = abs(found - _rank(tools, percent)) < 1e-6
    assert abs(found - expected) < 1e-6 or not from_sent, (
        f"Your {name} counts from the moment at which the tool *sent* the request. While it waited for an earlier "
        "answer it sent nothing, and nobody was counted as waiting: count from `due`."
    )
    between = min(abs(found - latency) for latency in waited) > 1e-6
    assert abs(found - expected) < 1e-6 or not between, (
        f"Your {name} of {found:.6g} ms is the latency of no request: a percentile here is an observed value."
    )
    assert abs(found - expected) < 1e-6, (
        f"Your {name} is {found:.6g} ms. It is the smallest latency, in ms, that at least {percent} % of the requests "
        "do not exceed."
    )


def _rank(values: list[float], percent: int) -> float:
    return next(
        value for value in sorted(values) if sum(other <= value for other in values) * 100 >= percent * len(values)
    )


def _load_test(rng: Generator, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Times in 1024ths of a second: sums and milliseconds are then exact, in whatever order they are computed."""
    due = np.cumsum(rng.integers(1, 20, number)) / 1024 + rng.integers(5, 50)
    sent, answered, free = due.copy(), due.copy(), 0.0
    for place in range(number):
        sent[place] = max(due[place], free)
        slow = 1.0 if place == number // 2 else 0.0
        free = answered[place] = sent[place] + slow + rng.integers(2, 25) / 1024
    order = rng.permutation(number)
    latency = 1000 * (answered - due)
    return due[order], sent[order], answered[order], float(np.sort(latency)[number * 2 // 3])


def _numbers(found: Any, names: Sequence[str]) -> dict[str, float]:
    assert isinstance(found, Mapping), f"Return a dict: this is {type_name(found)}."
    missing = [name for name in names if name not in found]
    assert not missing, f"The dict has no {', '.join(missing)}."
    return {name: float(found[name]) for name in names}


# 53.2: a service that answers nonsense with 200


@check("53.2")
def check_make_app(make_app, rng: Generator) -> None:
    """Ask the app good questions, bad ones, and questions at which its model fails."""
    asked: list[dict[str, Any]] = []
    probability = float(rng.uniform(0.1, 0.9))

    def score(question: dict[str, Any]) -> float:
        asked.append(question)
        return probability

    client = _client(make_app(score))
    for question in (_question(rng), _question(rng) | {"distance": 12_000}, _question(rng) | {"distance": 0.01}):
        _assert_answered(client, question, probability, asked)
    for change, fields in _breaches(rng):
        asked.clear()
        _assert_refused(client, _question(rng), change, fields)
        assert not asked, f"A request that breaks the contract ({_shown(change)}) was scored all the same."
    for body in (b"", b"[]", b'"SECRET"', b"{"):
        _assert_no_question(client, body)
    for edge in (0.0, 1.0):
        answer = _post(_client(make_app(lambda question, edge=edge: edge)), _question(rng))
        assert answer.status_code == 200, f"A probability of {edge:g} is one, and got a {answer.status_code}."
    _assert_faults(make_app, rng)
    _assert_serves_others(make_app, rng)


def _assert_no_question(client: TestClient, body: bytes) -> None:
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, (
        f"The body {body.decode()!r} is no JSON object and got a {answer.status_code}, not a 422: does your refusal "
        "find a name where no field is wrong?"
    )
    _assert_errors(_assert_problem(answer, 422))
    assert "SECRET" not in answer.text, REPEATS


def _assert_serves_others(make_app: Callable, rng: Generator) -> None:
    slow = _Work(0.5, go=False)
    with _client(make_app(lambda question: slow())) as client:
        one = _in_thread(_post, client, _question(rng))
        begun = slow.begun.wait(PATIENCE)
        other = _in_thread(client.get, "/no such path")
        free = _told(other) is not None
        slow.go.set()
        _told(one), _told(other)  # nobody still asks when the app is closed
    assert begun, "A good request was not scored."
    assert free, (
        "While `score` was at work for one caller, another request was not answered: an `async def` that computes "
        "blocks the thread that serves everybody. With `def` the handler is called in a thread of its own."
    )


def _assert_answered(client: TestClient, question: dict[str, Any], probability: float, asked: list) -> None:
    answer = _post(client, question)
    assert answer.status_code == 200, (
        f"A good request got a {answer.status_code}: {_shown(question)}. The service must still serve."
    )
    assert answer.json() == {"probability": probability}, (
        f'A good request is answered with {{"probability": ...}}, what `score` gave; this is {answer.text[:80]}.'
    )
    got = asked[-1]
    assert isinstance(got, dict) and set(got) == set(question), "`score` takes a dict with the four fields."
    moment, distance = got["departure"], got["distance"]
    assert getattr(moment, "tzinfo", None) is not None and pd.Timestamp(moment) == pd.Timestamp(
        question["departure"]
    ), f"`score` got {moment!r} as the departure: it wants the moment that was sent, as a datetime with a time zone."
    assert distance == question["distance"], f"`score` got a distance of {distance!r} for {question['distance']!r}."


def _assert_refused(client: TestClient, question: dict[str, Any], change: dict[str, Any], fields: set[str]) -> None:
    answer = _post(client, {name: value for name, value in (question | change).items() if value is not Ellipsis})
    shown = _shown(change)
    assert answer.status_code != 200, f"A request with {shown} was answered with 200: that is nonsense in good health."
    assert answer.status_code != 500, (
        f"A request with {shown} got a 500: it is the client's mistake, and your refusal must not crash on it (do not "
        "repeat what was sent: NaN cannot be written as JSON)."
    )
    assert answer.status_code == 422, f"A request with {shown} got a {answer.status_code}, and breaks the contract."
    document = _assert_problem(answer, 422)
    named = {error["field"] for error in _assert_errors(document)}
    assert named == fields, f"With {shown} the refusal names {sorted(named)}; wrong is {sorted(fields)}."
    assert not any(secret in answer.text for secret in ("SECRET", "7654321")), REPEATS


def _assert_errors(document: dict[str, Any]) -> list[dict[str, Any]]:
    errors = document.get("errors")
    whole = isinstance(errors, list) and errors and all(isinstance(error, dict) for error in errors)
    assert whole and all({"field", "detail"} <= set(error) for error in errors), (
        "The `errors` of a refusal are a list with `field` and `detail` for each wrong field."
    )
    return errors


def _assert_problem(answer: Any, status: int) -> dict[str, Any]:
    kind = answer.headers.get("content-type", "")
    assert kind.partition(";")[0] == "application/problem+json", (
        f"A {status} has the media type {kind or 'none'}: a problem document is application/problem+json."
    )
    document = answer.json()
    assert isinstance(document, dict) and {"title", "status", "detail"} <= set(document), (
        f"A problem document has title, status and detail; that of the {status} is {answer.text[:80]}."
    )
    assert document["status"] == status, f"The problem document of a {status} says status {document['status']!r}."
    return document


def _assert_faults(make_app: Callable, rng: Generator) -> None:
    def failing(error: Exception) -> Callable:
        def score(question: dict[str, Any]) -> float:
            raise error

        return score

    answer = _post(_client(make_app(failing(NotReady("SECRET")))), _question(rng))
    assert answer.status_code == 503, (
        f"While the model is being loaded a request gets a {answer.status_code}: 503 says that it may come again."
    )
    assert answer.headers.get("retry-after") == "1", "A 503 says in the header Retry-After when to come again: 1."
    _assert_problem(answer, 503)
    assert "SECRET" not in answer.text, INSIDE
    for error in (RuntimeError("SECRET"), KeyError("SECRET"), ValueError("SECRET")):
        answer = _post(_client(make_app(failing(error))), _question(rng))
        assert answer.status_code != 200, (
            f"`score` raised a {type(error).__name__} and the client got a 200: nobody will ever report an invented "
            "probability."
        )
        assert answer.status_code == 500, (
            f"A fault of ours is a 500; a {type(error).__name__} became a {answer.status_code}."
        )
        _assert_problem(answer, 500)
        assert not any(inside in answer.text for inside in ("SECRET", type(error).__name__)), INSIDE
    for nonsense in (float("nan"), 1.0 + float(rng.uniform(0.01, 0.9)), -float(rng.uniform(0.01, 0.9)), math.inf):
        answer = _post(_client(make_app(lambda question, value=nonsense: value)), _question(rng))
        assert answer.status_code == 500, (
            f"`score` gave {nonsense:.3g}, which is no probability, and the client got a {answer.status_code}."
        )
        _assert_problem(answer, 500)


def _breaches(rng: Generator) -> list[tuple[dict[str, Any], set[str]]]:
    found = [
        ({"origin": "PHL"}, {"origin"}),
        ({"origin": "jfk"}, {"origin"}),
        ({"dest": "SECRET"}, {"dest"}),
        ({"dest": "dca"}, {"dest"}),
        ({"dest": "DC"}, {"dest"}),
        ({"dest": "DcA"}, {"dest"}),
        ({"dest": "D2A"}, {"dest"}),
        ({"departure": "2013-07-01T17:20:00"}, {"departure"}),
        ({"departure": "SECRET"}, {"departure"}),
        ({"distance": float("nan")}, {"distance"}),
        ({"distance": math.inf}, {"distance"}),
        ({"distance": 0}, {"distance"}),
        ({"distance": -float(rng.integers(1, 900))}, {"distance"}),
        ({"distance": -7654321.0}, {"distance"}),
        ({"distance": 12_000 + float(rng.uniform(0.1, 0.9))}, {"distance"}),
        ({"distance": ...}, {"distance"}),
        ({"departure": ...}, {"departure"}),
        ({"Distance": "SECRET"}, {"Distance"}),
        ({"origin": "SECRET", "distance": -1.0}, {"origin", "distance"}),
    ]
    return [found[0], *(found[place] for place in 1 + rng.permutation(len(found) - 1))]


def _question(rng: Generator) -> dict[str, Any]:
    moment = pd.Timestamp("2013-07-01", tz="America/New_York") + pd.Timedelta(minutes=int(rng.integers(40_000)))
    return {
        "origin": str(rng.choice(["EWR", "JFK", "LGA"])),
        "dest": "".join(rng.choice(list("ABCDEFGHIKLM"), 3)),
        "departure": moment.isoformat(),
        "distance": float(rng.integers(1, 12_000)),
    }


def _shown(change: dict[str, Any]) -> str:
    return ", ".join(f"no {name}" if value is ... else f"{name}={value!r}" for name, value in change.items())


def _client(app: Any) -> TestClient:
    assert isinstance(app, FastAPI), f"make_app returns the app: this is {type_name(app)}."
    return TestClient(app, raise_server_exceptions=False)


def _post(client: TestClient, question: dict[str, Any]) -> Any:
    return client.post("/predict", content=json.dumps(question), headers={"Content-Type": "application/json"})


# 53.3: an idempotency key


@check("53.3")
def check_make_once(make_once, rng: Generator) -> None:
    """Call it in order, with failures, and from threads that meet."""
    key, body = f"key {next(NUMBERS)}", f"body {rng.integers(1000)}"
    _assert_in_order(make_once, key, body)
    _assert_failures(make_once, key, body)
    _assert_waits(make_once, key, body)
    _assert_strangers_do_not_wait(make_once, key, body)
    _assert_failure_frees_who_waits(make_once, key, body)


class _Work:
    """Work that counts how often it is run; it waits for `go` and then returns its result, or raises it."""

    def __init__(self, result: Any, go: bool = True) -> None:
        self.result, self.runs = result, 0
        self.go, self.begun = threading.Event(), threading.Event()
        if go:
            self.go.set()

    def __call__(self) -> Any:
        self.runs += 1
        self.begun.set()
        self.go.wait(5)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def _assert_in_order(make_once: Callable, key: str, body: str) -> None:
    once = make_once()
    assert callable(once), f"make_once returns a function: this is {type_name(once)}."
    for result in ("first", None):
        first, again = _Work(result), _Work("again")
        told = [once(f"{key}{result}", body, first), once(f"{key}{result}", body, again)]
        assert first.runs == 1, f"The work of a new key was run {first.runs} times."
        assert again.runs == 0, (
            f"The work of a key that had the result {result!r} was run again: the retry counts twice."
        )
        assert told == [result, result], f"The two calls returned {told}: a retry gets the first result."
    work = _Work("free")
    assert once(None, body, work) == once(None, body, work) == "free" and work.runs == 2, (
        "Without a key the work is run every time: None is no key that two callers share."
    )
    other = _Work("other")
    assert all(_raises(once, f"{key}first", another, other) for another in (body + "!", body.upper())), (
        "The same key with another body was not refused with KeyReused: the caller gets the answer to another question."
    )
    assert other.runs == 0, "The work of a refused call was run."
    assert once(f"{key}!", body, other) == "other", "Another key with the same body is another request."
    fresh = _Work("fresh")
    assert make_once()(f"{key}first", body, fresh) == "fresh", (
        "Two functions from make_once share their memory: each has its own."
    )


def _assert_failures(make_once: Callable, key: str, body: str) -> None:
    once = make_once()
    fails, works = _Work(RuntimeError("no disk")), _Work("done")
    try:
        told = once(key, body, fails)
    except RuntimeError:
        pass
    else:
        raise AssertionError(f"The work raised, and its caller was told {told!r}: an exception goes to the caller.")
    assert _raises(once, key, body + "!", _Work("no")), (
        "After a failed try the key was given to another body: the body stays bound to the key."
    )
    try:
        told = once(key, body, works)
    except RuntimeError:
        told = RuntimeError
    assert told == "done" and works.runs == 1, (
        f"After a failed try the retry got {told!r}: work that raised was not done, so it may be tried again."
    )
    again = _Work("again")
    assert once(key, body, again) == "done" and not again.runs, (
        "A retry that succeeded was not kept: the next call with its key ran its work again."
    )


def _assert_waits(make_once: Callable, key: str, body: str) -> None:
    once = make_once()
    first, second = _Work("first", go=False), _Work("second")
    one = _in_thread(once, key, body, first)
    assert first.begun.wait(PATIENCE), "The work of a new key was not begun."
    two, third = _in_thread(once, key, body, second), _in_thread(once, key, body + "!", _Work("no"))
    time.sleep(GLANCE)
    ran, early = second.runs, two.done()
    refused = isinstance(_told(third), KeyReused)
    first.go.set()
    told = [_told(one), _told(two)]
    assert not ran, "Two tries that met were both worked on: between a look-up and a write there is a gap."
    assert not early, "A second try did not wait for the work that was running under its key."
    assert told == ["first", "first"], f"Two tries that met were told {told}: both get the result of the one work."
    assert refused, (
        "Another body under a key that is being worked on is refused with KeyReused at once, without waiting."
    )


def _assert_strangers_do_not_wait(make_once: Callable, key: str, body: str) -> None:
    once = make_once()
    slow = _Work("slow", go=False)
    one = _in_thread(once, key, body, slow)
    assert slow.begun.wait(PATIENCE), "The work of a new key was not begun."
    others = [_in_thread(once, name, body, _Work(name)) for name in (f"{key}!", None)]
    told = [_told(other, "nothing yet") for other in others]
    slow.go.set()
    _told(one)
    assert told == [f"{key}!", None], (
        f"While one key was being worked on, other callers were told {told}: strangers do not wait for each other."
    )


def _assert_failure_frees_who_waits(make_once: Callable, key: str, body: str) -> None:
    once = make_once()
    fails, works = _Work(RuntimeError("no disk"), go=False), _Work("done", go=False)
    one = _in_thread(once, key, body, fails)
    assert fails.begun.wait(PATIENCE), "The work of a new key was not begun."
    waiting = [_in_thread(once, key, body, works) for _ in range(2)]
    time.sleep(GLANCE)
    fails.go.set()
    tried = works.begun.wait(PATIENCE)
    time.sleep(GLANCE)
    runs = works.runs
    works.go.set()
    told = [_told(future, "nothing") for future in (one, *waiting)]
    assert isinstance(told[0], RuntimeError), f"The work raised, and its caller was told {told[0]!r}."
    assert tried, (
        f"Two who waited for work that failed were told {told[1:]}: the key is free again, and one who waited tries."
    )
    assert runs == 1, (
        "Two who waited for work that failed both ran theirs: one tries, and the other goes on waiting for its result."
    )
    assert told[1:] == ["done", "done"], (
        f"Two who waited for work that failed were told {told[1:]}: one tries, and both get its result."
    )


def _in_thread(once: Callable, *arguments: Any) -> Future:
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(once(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _told(future: Future, otherwise: Any = None) -> Any:
    """What a thread got: its result, the exception it raised, or `otherwise` when it is not done in time."""
    try:
        return future.exception(PATIENCE) or future.result()
    except TimeoutError:
        return otherwise


def _raises(once: Callable, *arguments: Any) -> bool:
    try:
        once(*arguments)
    except KeyReused:
        return True
    return False


# 53.4: the skew test


@check("53.4")
def check_find_skew(find_skew, rng: Generator) -> None:
    """Plant each kind of skew under names that change, among features that are clean."""
    for number in (30, 50):
        log, rebuild, expected = _planted(rng, number)
        found = find_skew(json.loads(json.dumps(log)), rebuild)
        assert isinstance(found, Mapping), f"Return a dict from feature to its skew: this is {type_name(found)}."
        for what, name, share, kind in expected:
            if kind is None:
                assert name not in found, (
                    f"A feature {what} is accused: {found[name]}. Compare answer with answer, by the prediction id: "
                    "`rebuild` gives the rows in an order of its own."
                    if what == "that agrees"
                    else f"A feature {what} is accused: {found[name]}."
                )
                continue
            assert name in found, f"A feature {what} is not found."
            entry = found[name]
            assert isinstance(entry, Mapping) and {"share", "kind"} <= set(entry), (
                f"An entry has share and kind: this is {entry!r}."
            )
            assert abs(float(entry["share"]) - share) < 1e-9, (
                f"A feature {what} differs on a share of {share:.4g} of the answers; you found {entry['share']:.4g}."
            )
            assert entry["kind"] == kind, f"A feature {what} is called {entry['kind']!r}."
        unknown = set(found) - {name for _, name, _, _ in expected}
        assert not unknown, f"Features that nobody knows are accused: {sorted(unknown)}."


def _planted(rng: Generator, number: int) -> tuple[list[dict], Callable, list[tuple[str, str, float, str | None]]]:
    """A log, the bulk job, and for each feature what was done to it, its name, the share and the kind."""
    few, three = np.arange(number) < 2, np.arange(number) < 3
    some = rng.random(number) < 0.6
    some[:4] = True
    base = rng.uniform(5, 90, number).round(2)
    zeros = np.where(rng.random(number) < 0.3, 0.0, base)
    zeros[:3] = base[:3]
    gaps = np.where(some, np.nan, base)
    words = rng.choice(["UA", "DL", "B6"], number).astype(object)
    drawn = rng.uniform(1, 2, number)
    pairs: list[tuple[str, Any, Any, str | None]] = [
        ("that agrees", base, base, None),
        ("of text that agrees", words, words, None),
        ("that is missing on both sides", gaps, gaps, None),
        ("that agrees but for the last digit", base * (1 + 1e-13), base, None),
        ("in another unit, with zeros that agree", zeros * 0.44704, zeros, "factor"),
        ("in another unit, with gaps on both sides", gaps * 1.8, gaps, "factor"),
        ("with its sign turned round", -base, base, "factor"),
        ("on a shifted clock", np.where(some, base + 240, base), base, "shift"),
        ("whose gaps the service filled with zero", np.nan_to_num(gaps), gaps, "missing"),
        ("that the service did not know where bulk does", gaps, base, "missing"),
        ("that is missing once", np.where(np.arange(number) == 1, np.nan, base), base, "missing"),
        ("that differs in no regular way", np.where(some, base * drawn, base), base, "other"),
        (
            "in a much smaller unit, measured to seven digits",
            base * 3600 * (1 + 2e-7 * np.sign(drawn - 1.5)),
            base,
            "factor",
        ),
        ("that differs three times, by one factor", np.where(three, base * 2, base), base, "factor"),
        ("that differs by a little", base + 5e-6 * base * drawn, base, "other"),
        ("of very small numbers", np.where(some, drawn * 5e-9, 0.0), 0.0 * base, "shift"),
        ("that is late by about a minute", base + drawn / 2, base, "other"),
        ("that the service never knew", np.full(number, np.nan), base, "missing"),
        ("that differs twice, by one factor", np.where(few, base * 2, base), base, "other"),
        ("partly missing, partly different", np.where(few, np.nan, np.where(some, base * 3, base)), base, "other"),
        ("of text in lower case", np.char.lower(words.astype(str)).astype(object), words, "other"),
        ("that only the service has", base, None, "absent"),
        ("that only bulk has", None, base, "absent"),
    ]
    names = [f"feature_{place}" for place in rng.permutation(len(pairs))]
    ids = [f"p{place}" for place in rng.permutation(1000)[:number]]
    flights = [f"F{place // 2}" for place in range(number)]  # each is asked about twice
    at = [f"2013-07-01T{place % 24:02}:00:00Z" for place in range(number)]
    logged = {name: pair[1] for name, pair in zip(names, pairs, strict=True) if pair[1] is not None}
    bulk = {name: pair[2] for name, pair in zip(names, pairs, strict=True) if pair[2] is not None}
    log = [
        {
            "prediction_id": ids[place],
            "flight_id": flights[place],
            "at": at[place],
            "features": {name: _plain(values[place]) for name, values in logged.items()},
        }
        for place in range(number)
    ]
    order = rng.permutation(number)

    def rebuild(asked: pd.DataFrame) -> pd.DataFrame:
        assert isinstance(asked, pd.DataFrame) and {"flight_id", "at"} <= set(asked), (
            "`rebuild` takes a data frame with the columns flight_id and at."
        )
        assert list(asked.index) == ids and list(asked.flight_id) == flights and list(asked["at"]) == at, (
            "`rebuild` wants the answers of the log, each with its prediction id as the index label."
        )
        return pd.DataFrame(bulk, index=ids).iloc[order, ::-1]

    return log, rebuild, [_expected(name, pair) for name, pair in zip(names, pairs, strict=True)]


def _expected(name: str, pair: tuple[str, Any, Any, str | None]) -> tuple[str, str, float, str | None]:
    what, one, other, kind = pair
    if kind == "absent":
        return what, name, 1.0, kind
    return what, name, sum(_differ(a, b) for a, b in zip(one, other, strict=True)) / len(one), kind


def _differ(a: Any, b: Any) -> bool:
    if isinstance(a, str):
        return a != b
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) != math.isnan(b)
    return abs(a - b) > 1e-9 * max(abs(a), abs(b), 1)


def _plain(value: Any) -> float | str | None:
    return value if isinstance(value, str) else None if math.isnan(value) else float(value)


# 53.5: a micro-batcher


@check("53.5")
def check_answered(answered, rng: Generator) -> None:
    """Compare with a worker that looks at every quarter of a second; arrivals fall on starts, a rush fills batches."""
    _assert_batches(answered, [0, 1, 2, 10], 3, 1, 2, 0)
    for most, hold in ((4, 0), (1, 0), (1, 7), (3, 6), (50, 9), (5, 200)):
        gaps = rng.integers(0, 9, 40) * (rng.random(40) < 0.7)
        gaps[20:] *= 4  # a rush, and then a quiet time
        _assert_batches(answered, np.cumsum(gaps).tolist(), int(rng.integers(4, 12)), 1, most, hold)


def _assert_batches(answered: Callable, arrivals: list[int], fixed: int, each: int, most: int, hold: int) -> None:
    """All times are in quarters of a second, which the answer is given and returns as seconds."""
    sizes: list[int] = []

    def seconds(number: int) -> float:
        sizes.append(int(number))
        return (fixed + each * number) / 4

    found = 4 * one_number_a_row(answered(np.array(arrivals) / 4, seconds, most, hold / 4), "The result")
    assert len(found) == len(arrivals), f"{len(arrivals)} requests have {len(found)} answers."
    assert not sizes or max(sizes) <= most, (
        f"A batch of {max(sizes, default=0)} was made where at most {most} are allowed."
    )
    early = [place for place, moment in enumerate(found) if moment < arrivals[place] + fixed + each]
    assert not early, "A request is answered before a batch that begins at its arrival could be done."
    expected = _slow_worker(arrivals, lambda number: fixed + each * number, most, hold)
    if np.allclose(found, expected, atol=1e-6):
        return
    place = int(np.argmax(~np.isclose(found, expected, atol=1e-6)))
    reasons = {
        "the worker waits for `hold` seconds even when the batch is full.": _slow_worker(
            arrivals, lambda number: fixed + each * number, most, hold, until_full=False
        ),
        "the worker does not wait for company, and `hold` asks it to.": _slow_worker(
            arrivals, lambda number: fixed + each * number, most, 0
        ),
        "one at a time; all that wait, up to `most`, go together.": _slow_worker(
            arrivals, lambda number: fixed + each * number, 1, 0
        ),
        "a request that arrives at the moment of the start is in the batch, and is left out.": _slow_worker(
            arrivals, lambda number: fixed + each * number, most, hold, with_latest=False
        ),
    }
    why = next((reason for reason, times in reasons.items() if np.allclose(found, times, atol=1e-6)), None)
    raise AssertionError(
        f"With most={most} and hold={hold / 4:g} the request that arrives at {arrivals[place] / 4:g} (number {place}) "
        f"is answered at {found[place] / 4:g}: "
        + (why or "follow one batch by hand: when may it start, and who has arrived by then?")
    )


def _slow_worker(
    arrivals: list[int], seconds: Callable, most: int, hold: int, until_full: bool = True, with_latest: bool = True
) -> list[float]:
    waiting, times, free = list(range(len(arrivals))), [0.0] * len(arrivals), -1
    while waiting:
        first = arrivals[waiting[0]]
        moment = max(free, first)
        while True:
            here = [place for place in waiting if arrivals[place] <= moment]
            if (until_full and len(here) >= most) or moment >= first + hold:
                break
            moment += 1
        batch = [place for place in here if with_latest or arrivals[place] < moment or arrivals[place] == first][:most]
        free = moment + seconds(len(batch))
        for place in batch:
            times[place] = free
            waiting.remove(place)
    return times


# 53.6: how many machines


@check("53.6")
def check_plan_capacity(plan_capacity, rng: Generator) -> None:
    """Judge plans on curves with a lucky measurement past the knee, a p99 on the budget, and none that is safe."""
    budget = float(rng.integers(50, 200))
    dead = {rate: budget + float(rng.integers(1, 90)) for rate in (10, 20, 30)}
    nothing = plan_capacity(dead, 100, budget, 2, 10)
    assert nothing is None, (
        f"No measured rate keeps the budget, so there is nothing to promise: return None, not {nothing}."
    )
    unit = int(rng.integers(1, 9))  # a process's share of the peak is a measured rate, to the bit
    even = {unit * rate: budget * part for rate, part in ((60, 2), (20, 0.4), (40, 1), (10, 0.2), (30, 0.7))}
    _assert_plan(plan_capacity(dict(even), 120 * unit, budget, 3, 10), even, 40 * unit, 120 * unit, 3, 10)
    for _ in range(8):
        curve, safe = _curve(rng, budget)
        per_machine, price = int(rng.integers(2, 6)), int(rng.integers(20, 90))
        for peak in (safe * per_machine * int(rng.integers(1, 4)), float(rng.uniform(1.2, 9.0) * safe)):
            _assert_plan(
                plan_capacity(dict(curve), peak, budget, per_machine, price), curve, safe, peak, per_machine, price
            )


def _assert_plan(found: Any, curve: dict, safe: float, peak: float, per_machine: int, price: int) -> None:
    names = ("safe_rate", "machines", "processes", "euros", "p99_at_peak")
    plan = _numbers(found, names)
    later = [rate for rate in curve if rate > safe]
    assert plan["safe_rate"] not in later, (
        f"You call {plan['safe_rate']:g} a second safe, and at a lower measured rate p99 was over the budget: one "
        "lucky measurement past the knee proves nothing."
    )
    assert plan["safe_rate"] in curve, f"Nobody has measured {plan['safe_rate']:g} a second: guess nothing in between."
    assert plan["safe_rate"] == safe, (
        f"You call {plan['safe_rate']:g} a second safe; a higher rate keeps the budget too, as all below it do (a p99 "
        "of exactly the budget is allowed)."
    )
    processes = math.ceil(peak / safe - 1e-12)
    machines = math.ceil(processes / per_machine) + 1
    assert plan["machines"] != machines - 1, (
        f"{plan['machines']:g} machines carry the peak while all of them work. One may fail: rent one more."
    )
    assert plan["machines"] == machines, (
        f"{plan['machines']:g} machines for a peak of {peak:.6g}, {safe:g} a process and {per_machine} processes a "
        "machine: round up to processes, then to machines, then add one machine."
    )
    assert plan["processes"] == machines * per_machine, (
        f"{plan['processes']:g} processes on {machines} machines of {per_machine}: every machine is filled."
    )
    assert plan["euros"] == machines * price, f"{machines} machines at {price} euros do not cost {plan['euros']:g}."
    share = peak / (machines * per_machine)
    expected = curve[min(rate for rate in curve if rate >= share)]
    assert abs(plan["p99_at_peak"] - expected) < 1e-9, (
        f"You promise a p99 of {plan['p99_at_peak']:g} ms at the peak. With all machines in work each process has "
        f"{share:.4g} requests a second: take the p99 at the smallest measured rate that is not below this."
    )


def _curve(rng: Generator, budget: float) -> tuple[dict[float, float], float]:
    """A measured curve in no order, with a lucky rate past the knee, and its safe rate."""
    rates = np.cumsum(rng.integers(5, 40, 9))
    knee = int(rng.integers(3, 7))
    p99 = rng.uniform(0.3, 0.8, 9) * budget
    p99[knee] = budget
    p99[knee + 1] = budget * 1.2
    p99[knee + 2 :] = budget * rng.uniform(0.8, 0.99, len(p99) - knee - 2)
    curve = {int(rates[place]): float(p99[place]) for place in rng.permutation(9)}
    return curve, int(rates[knee])
