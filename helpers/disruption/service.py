"""The service: asked about a flight, it answers with the probability of a disruption and what to do about it.

A request goes through four steps, each in one place:

1. ``Gate`` lets it in: known host, not too large, not too slow. It gives the request an id, logs and counts it.
2. FastAPI and ``messages`` read it. What does not fit is refused with a document that names the field (``answers``).
3. ``Service`` does the work: features from the state, probability from the model, decision from the costs, and the
   answer into the store. One thread does it all (``worker``), in the order in which it came, so the state needs no
   lock and ``/healthz`` answers meanwhile; what several clients wait for is scored together.
4. The answer is given. It stands in the store by then: whoever asks again with the same ``Idempotency-Key`` (an
   Internet-Draft of the IETF, "The Idempotency-Key HTTP Header Field", 2025) receives the same answer.

The champion can change at any time. The service asks the registry for the alias every second and swaps the whole
model, with its threshold and its costs, between two requests. A version that cannot be loaded changes nothing.
"""

import asyncio
import ctypes
import hashlib
import hmac
import itertools
import logging
import re
import sys
import time
import uuid
from base64 import b64encode
from collections import Counter as Counts
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol

import pandas as pd
import pyarrow as pa
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.security import APIKeyHeader
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpers.disruption.answers import (
    PROBLEM,
    TITLES,
    Answer,
    Answers,
    Contribution,
    EventBatch,
    EventResult,
    EventResults,
    Explanation,
    Faulty,
    Flight,
    Flights,
    ModelCard,
    PredictionBatch,
    Problem,
    faults,
    first_words,
    moment_of,
    problem,
    refused_item,
)
from helpers.disruption.features import OperationsState, UnknownFlight, rows_of
from helpers.disruption.messages import ORIGINS, Event, FlightKey, FlightPlan, Origin, PredictionRequest
from helpers.disruption.model import contributions
from helpers.disruption.registry import Bundle
from helpers.disruption.store import Prediction, Store, StoreError, StoreFull
from helpers.disruption.stream import NEW_YORK, as_plans
from helpers.disruption.worker import NotReady, Together, Worker

PAGE = Path(__file__).with_name("page.html")
DECISIONS = {True: "warn", False: "do_nothing"}
SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8)
UNFORESEEN = "the service failed: tell its owner the request id, which its log has too"
REQUEST_ID = re.compile("[!-~]{1,64}")

log = logging.getLogger("mle.service")


# What the service needs from its surroundings


class Registry(Protocol):
    """Where versions of the model are kept; ``registry.Registry`` is one."""

    def champion(self) -> Bundle:
        """The version that is to answer. Asked every second, so quick as long as it has not changed.

        Raises when there is none, or when its files were tampered with.
        """
        ...


@dataclass(frozen=True)
class Settings:
    """How the service runs. ``api_key`` opens the doors through which something is written."""

    api_key: str
    host: str = "127.0.0.1"
    port: int = 8000
    # A name that another site points to this machine (DNS rebinding) is not among them.
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    max_body_bytes: int = 1_000_000
    body_seconds: float = 10.0  # in which a request must have arrived
    max_waiting: int = 200  # requests that wait for the worker; the next one is sent away
    poll_seconds: float = 1.0  # from one look at the registry to the next

    def __post_init__(self) -> None:
        """Refuse an empty key, which a request without any key would match."""
        if not self.api_key:
            raise ValueError("the API key is empty: write one into its file, or delete the file to have one made")


# The work


class Asked(NamedTuple):
    """A request, its idempotency key, and the id that its prediction is to have.

    The id is given before the first try: asked again, because a commit was done and reported as failed, the prediction
    finds itself in the store, also without a key.
    """

    request: PredictionRequest
    key: str | None
    prediction_id: str


class KeyReused(Exception):
    """An idempotency key came with another request than the first time."""


class Metrics:
    """What Prometheus sees. Each app has its own, so that two in one process do not mix."""

    def __init__(self) -> None:
        """Everything at zero."""
        self.registry = CollectorRegistry()
        made = {"registry": self.registry}
        self.requests = Counter("mle_requests", "Requests", ["route", "method", "status"], **made)
        self.seconds = Histogram("mle_request_seconds", "Time to answer", ["route"], buckets=SECONDS, **made)
        self.predictions = Counter("mle_predictions", "Predictions stored", ["model_version", "decision"], **made)
        self.unknown = Counter("mle_unknown_values", "Codes that the schedule does not hold", ["field"], **made)
        self.refused = Counter("mle_refused_items", "Requests and items that broke the contract", ["route"], **made)
        self.events = Counter("mle_events", "Events", ["kind", "result"], **made)
        self.model = Gauge("mle_model", "1 for the version that answers", ["version"], **made)
        self.load_failures = Counter("mle_model_load_failures", "Looks at the registry without success", **made)


class Schedule:
    """The planned flights, to look them up by day and by key."""

    def __init__(self, plans: pd.DataFrame) -> None:
        """``plans`` as ``stream.flight_plans`` makes it. Codes are held once each: it is there for the whole run."""
        codes = dict.fromkeys(("carrier", "origin", "dest", "tailnum"), "category")
        self.plans = plans.reset_index(drop=True).astype(codes)

    @cached_property
    def departs(self) -> pd.Series:
        """The scheduled departures on New York's clock."""
        return self.plans.scheduled_departure.dt.tz_convert(NEW_YORK)

    @cached_property
    def known(self) -> dict[str, set[str]]:
        """The codes that occur, by field; and None, which is no code."""
        return {field: {*self.plans[field].dropna().unique(), None} for field in ("dest", "carrier", "tailnum")}

    def flights(self, day: date, origin: str) -> list[dict[str, Any]]:
        """The flights of an airport on a local day, in order of departure."""
        start = pd.Timestamp(day, tz=NEW_YORK)
        end = pd.Timestamp(day + timedelta(days=1), tz=NEW_YORK)
        mine = (self.departs >= start) & (self.departs < end) & (self.plans.origin == origin)
        rows = self.plans[mine].assign(departs=self.departs[mine].dt.strftime("%H:%M")).sort_values("departs")
        return rows[list(Flight.model_fields)].to_dict("records")

    def plan(self, flight_id: str) -> FlightPlan | None:
        """The plan of a flight, None when it is not in the schedule."""
        found = self.plans[self.plans.flight_id == flight_id]
        return next(as_plans(found), None)


class Service:
    """State, model and store, brought together. Every method belongs to one thread, unless it says more."""

    def __init__(self, registry: Registry, store: Store, state: OperationsState, plans: pd.DataFrame) -> None:
        """Nothing is loaded yet: see ``restore`` and ``look_for_champion``."""
        self.registry, self.store, self.state = registry, store, state
        self.schedule = Schedule(plans)
        self.metrics = Metrics()
        self.bundle: Bundle | None = None
        self.restored = False
        self.trouble: str | None = None  # with the registry
        self.started, self.numbers = uuid.uuid4().hex, itertools.count()

    def restore(self) -> None:
        """Bring the state to where it was: the store has every event that was ever accepted."""
        for event in self.store.events():
            self.apply(event)
        self.restored = True

    def look_for_champion(self) -> None:
        """Take over the version that the registry calls champion, if it is another one than before.

        Whatever goes wrong, the version that answered so far goes on answering.
        """
        try:
            bundle = self.registry.champion()
            if self.bundle is None or bundle.version != self.bundle.version:
                self.take_over(bundle)
            self.trouble = None
        except Exception as error:  # whatever is wrong with a version, it must not stop a service that works
            self.metrics.load_failures.inc()
            if str(error) != self.trouble:  # told once, not every second
                log.error("no champion to take over", extra={"fields": {"error": str(error)}})
            self.trouble = str(error)

    def take_over(self, bundle: Bundle) -> None:
        """Let a version answer from the next request on."""
        bundle.model.predict_rows([bundle.typical])  # the first call is slow: not a client's
        self.store.add_model_version(bundle.version, bundle.model.name, bundle.card.threshold)
        self.bundle = bundle
        self.metrics.model.clear()
        self.metrics.model.labels(bundle.version).set(1)
        log.info("a champion takes over", extra={"fields": {"version": bundle.version, "name": bundle.model.name}})

    def champion(self) -> Bundle:
        """The bundle that answers. Raises NotReady before there is one."""
        if self.bundle is None:
            raise NotReady("there is no champion: train a model and promote it")
        return self.bundle

    def new_id(self) -> str:
        """An id for a prediction. One after the other, since the store keeps side by side what follows one another."""
        return f"{self.started}-{next(self.numbers):09}"

    def predict(self, asked: Sequence[Asked]) -> list[Prediction]:
        """Answer the requests, stored: for an idempotency key that came before, with the first answer."""
        before = self.store.predictions_of_keys([one.key for one in asked if one.key is not None])
        refuse_reused_keys(asked, before)
        new = [one for one in asked if one.key not in before]
        stored = iter(self.store.add_predictions(self.score(new)) if new else [])
        answers = [before[one.key] if one.key in before else next(stored) for one in asked]
        self.count([one.request.plan for one in new], answers)
        return answers

    def score(self, asked: Sequence[Asked]) -> list[Prediction]:
        """A prediction for each request, not stored yet."""
        bundle, start, made_at = self.champion(), time.perf_counter(), datetime.now(UTC)
        features = self.state.columns([one.request.plan for one in asked], [one.request.decision_time for one in asked])
        scores = bundle.model.predict_proba(features).tolist()
        milliseconds = (time.perf_counter() - start) * 1000 / len(asked)
        return [
            prediction(bundle, *one, score, row, made_at, milliseconds)
            for one, score, row in zip(asked, scores, rows_of(features), strict=True)
        ]

    def count(self, plans: Sequence[FlightPlan], answers: Sequence[Prediction]) -> None:
        """Count what was answered, and the codes that nobody has seen before."""
        for (version, flagged), number in tally((answer.model_version, answer.flagged) for answer in answers):
            self.metrics.predictions.labels(version, DECISIONS[flagged]).inc(number)
        for field, known in self.schedule.known.items():
            self.metrics.unknown.labels(field).inc(sum(getattr(plan, field) not in known for plan in plans))

    def take_in(self, events: Sequence[Event]) -> list[EventResult]:
        """Store the events, then let the state know the new ones."""
        is_new = self.store.add_events(events)
        results = [self.apply(event) if new else "duplicate" for event, new in zip(events, is_new, strict=True)]
        for event, result in zip(events, results, strict=True):
            self.metrics.events.labels(event.kind, result).inc()
        return [
            EventResult(event_id=event.event_id, result=result) for event, result in zip(events, results, strict=True)
        ]

    def look_after_itself(self) -> None:
        """Look for a new champion, and tidy the store up, which waits for the disk: not for the thread that answers."""
        self.look_for_champion()
        with suppress(StoreError):
            self.store.checkpoint()

    def note_refused(self, times: Sequence[datetime]) -> None:
        """Keep when something broke the contract, for the monitor. Safe from any thread, and never a reason to fail."""
        with suppress(StoreError):
            self.store.add_refused(times)

    def apply(self, event: Event) -> str:
        """Let the state know an event; one of a flight outside the schedule changes no feature."""
        try:
            self.state.apply(event)
        except UnknownFlight:
            return "unscheduled"
        return "accepted"

    def explain(self, flight_id: str, hours_before: float) -> Explanation | None:
        """A forecast from some hours before departure, what made it, and what came true; None for no such flight."""
        bundle, plan = self.champion(), self.schedule.plan(flight_id)
        if plan is None:
            return None
        at = plan.scheduled_departure - timedelta(hours=hours_before)
        row, typical = self.state.features(plan, at), bundle.typical
        probability = float(bundle.model.predict_rows([row])[0])
        moved = contributions(bundle.model, row, typical)
        outcome = self.store.outcome_of_flight(flight_id)
        return Explanation(
            flight_id=flight_id,
            at=at,
            probability=probability,
            threshold=bundle.card.threshold,
            decision=DECISIONS[probability >= bundle.card.threshold],
            model_version=bundle.version,
            contributions=[
                Contribution(feature=name, value=row[name], usual=typical[name], contribution=by)
                for name, by in moved.items()
            ],
            outcome=outcome and in_words(outcome.kind, outcome.delay_minutes),
        )


def tally(things: Iterable[Any]) -> Iterable[tuple[Any, int]]:
    """Each different thing and how often it occurs."""
    return Counts(things).items()


def prediction(
    bundle: Bundle,
    request: PredictionRequest,
    key: str | None,
    prediction_id: str,
    probability: float,
    features: dict[str, float | str],
    made_at: datetime,
    milliseconds: float,
) -> Prediction:
    """The answer to a request: a warning where the expected cost of silence is the larger one."""
    flagged = probability >= bundle.card.threshold
    plan = request.plan
    return Prediction(
        prediction_id=prediction_id,
        idempotency_key=key,
        flight_id=plan.flight_id,
        origin=plan.origin,
        dest=plan.dest,
        carrier=plan.carrier,
        scheduled_departure=plan.scheduled_departure,
        at=request.decision_time,
        made_at=made_at,
        model_version=bundle.version,
        probability=probability,
        threshold=bundle.card.threshold,
        flagged=flagged,
        expected_cost=bundle.card.costs.expected(probability, flagged),
        milliseconds=milliseconds,
        features=features,
    )


def refuse_reused_keys(asked: Sequence[Asked], before: Mapping[str, Prediction]) -> None:
    """Raise KeyReused when a request's key belongs to another flight or moment, stored before or asked here."""
    taken = {key: (answer.flight_id, answer.at) for key, answer in before.items()}
    for request, key, _ in asked:
        if key is None:
            continue
        mine = request.plan.flight_id, request.decision_time
        flight_id, at = taken.setdefault(key, mine)
        if (flight_id, at) != mine:
            raise KeyReused(f"this key was used for flight {flight_id} at {at.isoformat()}: take a new one")


def answer_of(stored: Prediction, with_features: bool) -> dict[str, Any]:
    """A stored prediction as it is given: the fields of ``Answer``."""
    given = {
        "prediction_id": stored.prediction_id,
        "flight_id": stored.flight_id,
        "at": stored.at,
        "probability": stored.probability,
        "decision": DECISIONS[stored.flagged],
        "threshold": stored.threshold,
        "expected_cost": stored.expected_cost,
        "model_version": stored.model_version,
    }
    return given | {"features": stored.features} if with_features else given


def in_words(kind: str, delay_minutes: float | None) -> str:
    """How a flight ended."""
    if delay_minutes is None:
        return kind
    return f"arrived {abs(delay_minutes):.0f} minutes {'late' if delay_minutes > 0 else 'early'}"


# The door


class Gate:
    """Lets requests in: known host, not too large, not too slow; gives each an id, logs and counts it.

    Plain ASGI: it sees every byte before FastAPI does, and costs microseconds.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        """Stand before ``app``."""
        self.app, self.settings, self.metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), None
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        request_id = request_id_of(headers)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = message | {"headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        try:
            if refusal := self.refusal(headers):
                await problem(*refusal, request_id=request_id)(scope, receive, send_with_id)
            else:
                await self.app(scope, self.limited(receive), send_with_id)
        except Exception as error:
            log.error("unforeseen", exc_info=error, extra={"fields": {"request_id": request_id}})
            if status is None:
                await problem(500, UNFORESEEN, request_id)(scope, receive, send_with_id)
        finally:
            self.note(scope, status or 500, time.perf_counter() - start, request_id)

    def refusal(self, headers: Mapping[bytes, str]) -> tuple[int, str] | None:
        """Status and reason when the request's headers are enough to send it away."""
        host = headers.get(b"host", "")
        if re.sub(r":\d+$", "", host) not in self.settings.allowed_hosts:
            return 400, "the Host header is none of this service's names"
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self.settings.max_body_bytes:
            return 413, self.too_large
        return None

    @property
    def too_large(self) -> str:
        """The limit in words."""
        return f"the body is larger than {self.settings.max_body_bytes:,} bytes: send less at once"

    def limited(self, receive: Receive) -> Receive:
        """``receive``, as long as the body is not too large and has arrived in time."""
        deadline = time.monotonic() + self.settings.body_seconds
        size, complete = 0, False

        async def receive_limited() -> Message:
            nonlocal size, complete
            if complete:  # what is awaited now is the client's farewell, which may take its time
                return await receive()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                detail = f"the body did not arrive within {self.settings.body_seconds:g} seconds"
                raise HTTPException(408, detail, {"Connection": "close"}) from None
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > self.settings.max_body_bytes:
                raise HTTPException(413, self.too_large, {"Connection": "close"})
            return message

        return receive_limited

    def note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        """Log and count a request that was answered."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if route != "none" else "any"
        self.metrics.requests.labels(route, method, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        fields = {"request_id": request_id, "method": scope["method"], "path": scope["path"], "status": status}
        log.info("request", extra={"fields": fields | {"milliseconds": round(seconds * 1000, 3)}})


def request_id_of(headers: Mapping[bytes, str]) -> str:
    """The caller's X-Request-ID, where it fits on one line of a log, or a new one."""
    given = headers.get(b"x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


# The app


def create_app(
    registry: Registry,
    store: Store,
    state: OperationsState,
    settings: Settings,
    plans: pd.DataFrame,
) -> FastAPI:
    """The service as an ASGI app. ``plans`` is the schedule of the state, for the page and to know unknown codes."""
    service = Service(registry, store, state, plans)
    worker = Worker(settings.max_waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await worker(service.restore)
        await asyncio.to_thread(service.look_for_champion)
        give_memory_back()
        polling = asyncio.create_task(poll(service, settings.poll_seconds))
        yield
        polling.cancel()
        worker.thread.shutdown()

    app = FastAPI(
        title="Disruption of flights from New York",
        version="1",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        # FastAPI's pages for these load their scripts from a foreign server.
        docs_url=None,
        redoc_url=None,
        responses={
            status: {"model": Problem, "content": {PROBLEM: {}}, "description": TITLES[status]}
            for status in (400, 408, 413, 503)
        },
    )
    app.state.service, app.state.worker = service, worker
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    add_problems(app, service)
    add_writing(app, service, worker, settings)
    add_reading(app, service, worker)
    add_operations(app, service)
    return app


def give_memory_back() -> None:
    """Return to the system what it took to get here, the tables of a year: 80 MB that Arrow and C would keep."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        with suppress(AttributeError):  # only the GNU library has it
            ctypes.CDLL(None).malloc_trim(0)


async def poll(service: Service, seconds: float) -> None:
    """Do what is due from time to time, in a thread of its own: loading a champion may take a second."""
    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(service.look_after_itself)


def add_problems(app: FastAPI, service: Service) -> None:
    """Every fault is answered with a problem document."""

    def answer(status: int, headers: Mapping[str, str] | None = None) -> Callable[[Request, Exception], Response]:
        def handle(request: Request, error: Exception) -> Response:
            return problem(status, str(error), request.state.request_id, headers=headers)

        return handle

    @app.exception_handler(RequestValidationError)
    def breaks_contract(request: Request, error: RequestValidationError) -> Response:
        found = faults([fault | {"loc": place_in_body(fault)} for fault in error.errors()])
        service.metrics.refused.labels(request.scope["route"].path).inc()
        if isinstance(error.body, Mapping):  # read, so the API key was right
            service.note_refused([moment_of(error.body)])
        return problem(422, first_words(found), request.state.request_id, found)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), request.state.request_id, headers=error.headers)

    retry = {"Retry-After": "1"}
    app.add_exception_handler(KeyReused, answer(422))
    app.add_exception_handler(NotReady, answer(503, retry))
    app.add_exception_handler(StoreFull, answer(503, retry))
    app.add_exception_handler(StoreError, answer(503, retry))


def place_in_body(fault: Mapping[str, Any]) -> Sequence[str | int]:
    """Where a fault is, seen from the body; a header or a parameter keeps its kind."""
    place = fault["loc"]
    if fault["type"] == "json_invalid":  # its place is a position in the text, and no field
        return ()
    return place[1:] if place and place[0] == "body" else place


class HoldsKey(APIKeyHeader):
    """Sends away who does not hold the API key; in the OpenAPI document it stands as the scheme that it extends."""

    def __init__(self, key: str) -> None:
        """``key`` opens the door."""
        super().__init__(name="X-API-Key", scheme_name=APIKeyHeader.__name__)
        self.key = key.encode()

    # Not ``def``: that would be called in a thread of its own, which takes as long as a third of a prediction.
    async def __call__(self, request: Request) -> None:
        """Let the request pass, or raise what is answered with 401."""
        given = request.headers.get(self.model.name, "")
        # In constant time, so that nobody can guess the key letter by letter with a clock.
        if not hmac.compare_digest(given.encode(), self.key):
            raise HTTPException(401, "give the API key in the header X-API-Key", {"WWW-Authenticate": "ApiKey"})


def add_writing(app: FastAPI, service: Service, worker: Worker, settings: Settings) -> None:
    """The doors through which something is written; each wants the API key."""
    together = Together(worker, service.predict)
    Key = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[!-~]{1,200}$")]
    writing = {
        "dependencies": [Depends(HoldsKey(settings.api_key))],
        "responses": {
            401: {"model": Problem, "content": {PROBLEM: {}}},
            422: {"model": Problem, "content": {PROBLEM: {}}},
        },
    }

    @app.post("/v1/predictions", response_model=Answer, **writing)
    async def predict(request: PredictionRequest, idempotency_key: Key = None) -> Response:
        """Predict one flight."""
        asked = Asked(request, idempotency_key, service.new_id())
        return as_json(answer_of(await together(asked), request.with_features))

    @app.post("/v1/predictions:batch", response_model=Answers, **writing)
    async def predict_many(batch: PredictionBatch, idempotency_key: Key = None) -> Response:
        """Predict up to 1,000 flights; a bad request among them is refused alone."""

        def work() -> Response:
            good = [(place, item) for place, item in enumerate(batch.requests) if not isinstance(item, Faulty)]
            asked = [
                Asked(item, idempotency_key and f"{idempotency_key} {place}", service.new_id()) for place, item in good
            ]
            stored = service.predict(asked) if asked else []
            note_faulty("/v1/predictions:batch", batch.requests)
            answers = {
                place: answer_of(answer, item.with_features) for (place, item), answer in zip(good, stored, strict=True)
            }
            return as_json({"predictions": with_problems(batch.requests, answers, "requests")})

        return await worker(work)

    @app.post("/v1/events", response_model=EventResults, **writing)
    async def take_in(batch: EventBatch) -> Response:
        """Take in up to 1,000 events; a bad one among them is refused alone, one that came before counts once."""

        def work() -> Response:
            good = [(place, item) for place, item in enumerate(batch.events) if not isinstance(item, Faulty)]
            results = service.take_in([item for _, item in good])
            note_faulty("/v1/events", batch.events)
            answers = {place: result for (place, _), result in zip(good, results, strict=True)}
            return as_json({"events": with_problems(batch.events, answers, "events")})

        return await worker(work)

    def note_faulty(route: str, items: Sequence[Any]) -> None:
        times = [item.at for item in items if isinstance(item, Faulty)]
        service.metrics.refused.labels(route).inc(len(times))
        service.note_refused(times)


def with_problems(items: Sequence[Any], answers: Mapping[int, Any], name: str) -> list[Any]:
    """For each item of a batch its answer, or the problem of a faulty one."""
    return [
        answers[place] if place in answers else refused_item(item, [name, place]) for place, item in enumerate(items)
    ]


def add_reading(app: FastAPI, service: Service, worker: Worker) -> None:
    """The page and what it asks for; nothing here writes."""
    html = PAGE.read_text("utf-8")
    page_headers = {"Content-Security-Policy": content_security_policy(html), "X-Content-Type-Options": "nosniff"}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        """A page on which a person picks a flight and a time."""
        return HTMLResponse(html, headers=page_headers)

    @app.get("/v1/model", response_model=ModelCard)
    async def model() -> Response:
        """The version that answers now, with its model card."""
        bundle = service.champion()
        return as_json(
            {
                "version": bundle.version,
                "name": bundle.model.name,
                "threshold": bundle.card.threshold,
                "cost_of_false_alarm": bundle.card.costs.false_alarm,
                "cost_of_miss": bundle.card.costs.miss,
                "card": bundle.card.to_markdown(),
            }
        )

    @app.get("/v1/flights", response_model=Flights)
    async def flights(
        day: Annotated[date, Query(ge=date(2000, 1, 1), le=date(2099, 12, 30))], origin: Origin = ORIGINS[0]
    ) -> Response:
        """The flights of an airport on a local day."""
        return as_json({"flights": await worker(service.schedule.flights, day, origin)})

    @app.get("/v1/flights/{flight_id}/explanation", response_model=Explanation, responses={404: {"model": Problem}})
    async def explanation(
        flight_id: FlightKey, hours_before: Annotated[float, Query(ge=0, le=24, allow_inf_nan=False)] = 2
    ) -> Response:
        """A forecast from some hours before departure, what made it, and what came true."""
        found = await worker(service.explain, flight_id, hours_before)
        if found is None:
            raise HTTPException(404, f"flight {flight_id} is not in the schedule")
        return as_json(found)


def content_security_policy(html: str) -> str:
    """Let the page run its own script, ask its own server, and nothing else."""
    script = html.split("<script>")[1].split("</script>")[0]
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def add_operations(app: FastAPI, service: Service) -> None:
    """What those who run the service look at."""

    @app.get("/healthz")
    async def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        """State and model are there and the store works."""
        if not service.restored:
            raise NotReady("the state is being restored: try again in a second")
        bundle = service.champion()
        await asyncio.to_thread(service.store.check)
        return {"status": "ready", "model_version": bundle.version}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Everything that is counted, for Prometheus."""
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def as_json(content: Any) -> Response:
    """JSON in which a missing number is null."""
    return Response(to_json(content, inf_nan_mode="null"), media_type="application/json")
