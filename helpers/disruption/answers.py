"""What the service accepts and answers, beyond the messages, and how it says no.

Every refusal is a problem document (RFC 9457, "Problem Details for HTTP APIs") that names each field which is wrong.
In a batch only the bad item is refused: it becomes ``Faulty``, and the others are answered.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import to_json

from helpers.disruption.messages import MOMENT, Event, PredictionRequest

PROBLEM = "application/problem+json"
MOST_ITEMS = 1_000  # of a batch

# Batches


class Faulty:
    """An item of a batch that broke the contract: its faults, and the moment that it is about."""

    def __init__(self, said: Any, error: ValidationError) -> None:
        """Keep the faults without what was said."""
        self.at = moment_of(said)
        self.errors = faults(error.errors(include_url=False, include_context=False, include_input=False))


def keep_fault(value: Any, validate: Callable[[Any], Any]) -> Any:
    """A valid item, or what is wrong with it: one bad item must not refuse the batch."""
    try:
        return validate(value)
    except ValidationError as error:
        return Faulty(value, error)


def moment_of(said: Any) -> datetime:
    """The moment that a message which broke the contract is about; now, where it tells none that can be read."""
    said = said if isinstance(said, Mapping) else {}
    plan = said.get("plan")
    for told in (said.get("at"), plan.get("scheduled_departure") if isinstance(plan, Mapping) else None):
        with suppress(ValidationError):
            return MOMENT.validate_python(told)
    return datetime.now(UTC)


class PredictionBatch(BaseModel):
    """Up to 1,000 requests."""

    model_config = ConfigDict(extra="forbid")
    requests: Annotated[
        list[Annotated[PredictionRequest, WrapValidator(keep_fault)]], Field(min_length=1, max_length=MOST_ITEMS)
    ]


class EventBatch(BaseModel):
    """Up to 1,000 events, in any order."""

    model_config = ConfigDict(extra="forbid")
    events: Annotated[list[Annotated[Event, WrapValidator(keep_fault)]], Field(min_length=1, max_length=MOST_ITEMS)]


# Answers


class Fault(BaseModel):
    """One field and what is wrong with it."""

    field: str
    pointer: str
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457). ``instance`` is the request id, which the log has too."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[Fault] | None = None


class Answer(BaseModel):
    """A prediction. ``expected_cost`` is that of the decision, in euros; ``features`` only when asked for."""

    prediction_id: str
    flight_id: str
    at: datetime
    probability: float
    decision: Literal["warn", "do_nothing"]
    threshold: float
    expected_cost: float
    model_version: str
    features: dict[str, float | str | None] | None = None


class Answers(BaseModel):
    """For each request of the batch, in its order, an answer or a problem."""

    predictions: list[Answer | Problem]


class EventResult(BaseModel):
    """What became of an event: ``unscheduled`` is kept as an outcome, but counts in no feature."""

    event_id: str
    result: Literal["accepted", "duplicate", "unscheduled"]


class EventResults(BaseModel):
    """For each event of the batch, in its order, what became of it, or a problem."""

    events: list[EventResult | Problem]


class ModelCard(BaseModel):
    """The version that answers now."""

    version: str
    name: str
    threshold: float
    cost_of_false_alarm: float
    cost_of_miss: float
    card: str


class Contribution(BaseModel):
    """By how much the probability would fall, were this feature at its usual value."""

    feature: str
    value: float | str | None
    usual: float | str | None
    contribution: float


class Explanation(BaseModel):
    """A forecast for the eye: not stored and never a ground to act on. ``outcome`` is null while it is not known."""

    flight_id: str
    at: datetime
    probability: float
    threshold: float
    decision: Literal["warn", "do_nothing"]
    model_version: str
    contributions: list[Contribution]
    outcome: str | None


class Flight(BaseModel):
    """A flight of the schedule; ``departs`` is New York's clock."""

    flight_id: str
    carrier: str
    flight: int
    origin: str
    dest: str
    departs: str


class Flights(BaseModel):
    """The flights of an airport on a day."""

    flights: list[Flight]


# Refusals


TITLES = {
    400: "Bad request",
    401: "No API key",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    413: "Too large",
    422: "Breaks the contract",
    500: "A fault of the service",
    503: "Not now",
}


def problem_of(status: int, detail: str, **members: Any) -> dict[str, Any]:
    """The members of a problem document (RFC 9457)."""
    members = {name: value for name, value in members.items() if value}
    return {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail, **members}


def problem(
    status: int,
    detail: str,
    request_id: str | None = None,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as a response."""
    document = problem_of(status, detail, instance=request_id and f"urn:request:{request_id}", errors=errors)
    return Response(to_json(document), status, headers, PROBLEM)


def faults(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The faults that pydantic found, each with the field, a JSON pointer to it and what is wrong."""
    return [fault(error["loc"], error["msg"].removeprefix("Value error, ")) for error in errors]


def fault(place: Sequence[str | int], detail: str) -> dict[str, str]:
    """One fault. A name that the sender made up may hold anything: what is no text is replaced."""
    steps = [as_text(str(step))[:100] for step in place]
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return {"field": ".".join(steps) or "body", "pointer": f"#{pointer}", "detail": as_text(detail)[:300]}


def as_text(given: str) -> str:
    """What can be written as UTF-8: JSON may hold half a character, which cannot."""
    return given.encode("utf-8", "replace").decode()


def first_words(errors: Sequence[Mapping[str, str]]) -> str:
    """The faults in one line: the first, and how many more."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0]['field']}: {errors[0]['detail']}{more}"


def refused_item(item: Faulty, place: list[str | int]) -> dict[str, Any]:
    """The problem of an item, its fields named from the body's root."""
    start = fault(place, "")
    errors = [
        error | {"field": f"{start['field']}.{error['field']}", "pointer": start["pointer"] + error["pointer"][1:]}
        for error in item.errors
    ]
    return problem_of(422, first_words(errors), errors=errors)
