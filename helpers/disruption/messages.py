"""What is said to the service: the plan of a flight, an event, a request for a prediction.

Each is a pydantic model: a message is checked once, at the door, and trusted afterwards. What does not fit is refused
with the name of the field that is wrong.

When is a thing known? An observation of hour h at h + 51 minutes, when the airport makes its report. A departure when
the aircraft departs, an arrival when it arrives. A cancellation at the scheduled departure, since nobody recorded when
it was decided. A diversion three hours after the flight should have landed.

Times are UTC inside.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

ORIGINS = ("EWR", "JFK", "LGA")
HORIZON = timedelta(hours=2)  # from the decision to the scheduled departure
OBSERVATION_DELAY = timedelta(minutes=51)  # the observation of hour h is made at h:51
YEARS = (2000, 2100)  # moments outside these years are mistakes of a clock or of a unit
NUMBER = re.compile("[-+.0-9]+")

# Lowest and highest value that can be true, in the units of the weather table.
WEATHER_RANGES = {
    "temp": (-60.0, 130.0),
    "dewp": (-80.0, 100.0),
    "humid": (0.0, 100.0),
    "wind_dir": (0.0, 360.0),
    "wind_speed": (0.0, 200.0),
    "wind_gust": (0.0, 250.0),
    "precip": (0.0, 5.0),
    "pressure": (900.0, 1080.0),
    "visib": (0.0, 10.0),
}


def no_number(value: Any) -> Any:
    """Refuse a number where a moment is wanted, also as text: nobody can tell seconds from milliseconds."""
    if isinstance(value, int | float) or (isinstance(value, str) and NUMBER.fullmatch(value)):
        raise ValueError("give a moment as text with its offset from UTC, such as 2013-07-01T18:30:00Z")
    return value


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC. Raises ValueError outside 2000-2099."""
    if not YEARS[0] <= moment.year < YEARS[1]:
        raise ValueError(f"the year must be from {YEARS[0]} to {YEARS[1] - 1}")
    if isinstance(moment, pd.Timestamp):
        moment = moment.to_pydatetime(warn=False)
    return moment.astimezone(UTC)


def whole_minute(moment: datetime) -> datetime:
    """The moment itself. Raises ValueError when it has seconds: two plans of one minute would share one key."""
    if moment.second or moment.microsecond:
        raise ValueError("a schedule counts in whole minutes")
    return moment


def departure_in(flight_id: str) -> datetime:
    """The scheduled departure with which the key of a flight ends. Raises ValueError when it ends with none."""
    return in_utc(datetime.fromisoformat(flight_id.rpartition("-")[2]))


def holds_moment(flight_id: str) -> str:
    """The key itself. Raises ValueError when it ends with a moment that no clock shows, such as 30 February."""
    try:
        departure_in(flight_id)
    except ValueError:
        raise ValueError("the key must end with the scheduled departure in UTC, such as 20130701T1830Z") from None
    return flight_id


def matching(pattern: str) -> Any:
    """Text that matches the pattern as a whole."""
    return Annotated[str, StringConstraints(pattern=f"^(?:{pattern})$")]


Moment = Annotated[AwareDatetime, BeforeValidator(no_number), AfterValidator(in_utc)]
MOMENT = TypeAdapter(Moment)
ScheduledMoment = Annotated[Moment, AfterValidator(whole_minute)]
Origin = Literal["EWR", "JFK", "LGA"]
Destination = matching("[A-Z]{3}")
Carrier = matching("[A-Z0-9]{2}")
TailNumber = matching("[A-Z0-9]{1,8}")
FlightKey = Annotated[
    matching("[A-Z0-9]{2}[1-9][0-9]{0,3}-(?:EWR|JFK|LGA)-[0-9]{8}T[0-9]{4}Z"), AfterValidator(holds_moment)
]
EventKey = matching("[!-~]{1,200}")  # visible ASCII: a key must survive any database
DelayMinutes = Annotated[float, Field(ge=-1440, le=4320, allow_inf_nan=False)]


class Message(BaseModel):
    """A message cannot be changed, and a field that is not named here is a mistake of the sender."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FlightPlan(Message):
    """What is known of a flight long before it departs.

    ``flight`` is the flight number, ``distance`` in miles. ``tailnum`` may be given but is never a feature: in the
    past it is missing only on flights that were cancelled.
    """

    carrier: Carrier
    flight: Annotated[int, Field(ge=1, le=9999, strict=True)]  # strict: true is not flight 1
    origin: Origin
    dest: Destination
    scheduled_departure: ScheduledMoment
    scheduled_arrival: ScheduledMoment
    distance: Annotated[float, Field(gt=0, le=12_000, allow_inf_nan=False, strict=True)]
    tailnum: TailNumber | None = None

    @model_validator(mode="after")
    def lands_after_it_departs(self) -> Self:
        """A flight takes more than no time and at most a day."""
        if not timedelta(0) < self.scheduled_arrival - self.scheduled_departure <= timedelta(days=1):
            raise ValueError("scheduled_arrival must be after scheduled_departure, by a day at most")
        return self

    @property
    def flight_id(self) -> str:
        """Key of the flight: carrier, number, origin, scheduled departure in UTC. Unique in 2013 and in 2023."""
        at = self.scheduled_departure
        # strftime takes three times as long, and a batch asks for a thousand keys.
        stamp = f"{at.year}{at.month:02}{at.day:02}T{at.hour:02}{at.minute:02}Z"
        return f"{self.carrier}{self.flight}-{self.origin}-{stamp}"


class FlightEvent(Message):
    """Something that happened to a flight. ``event_id`` is the idempotency key, ``at`` when it became known."""

    event_id: EventKey
    at: Moment
    flight_id: FlightKey


class Departed(FlightEvent):
    """The flight left the gate, ``delay_minutes`` after its schedule; negative is early."""

    kind: Literal["departed"] = "departed"
    delay_minutes: DelayMinutes


class Arrived(FlightEvent):
    """The flight arrived at the gate, ``delay_minutes`` after its schedule; negative is early."""

    kind: Literal["arrived"] = "arrived"
    delay_minutes: DelayMinutes


class Cancelled(FlightEvent):
    """The flight will not depart."""

    kind: Literal["cancelled"] = "cancelled"


class Diverted(FlightEvent):
    """The flight departed and did not arrive where and when it should have: it was diverted, or its arrival lost."""

    kind: Literal["diverted"] = "diverted"


def measure(name: str) -> Any:
    """A measured value within its range, or None when the instrument reported nothing."""
    low, high = WEATHER_RANGES[name]
    return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)] | None


class Observed(Message):
    """The weather of one hour at one airport, in the units of the weather table. ``hour`` is when the hour began."""

    kind: Literal["observed"] = "observed"
    event_id: EventKey
    at: Moment
    origin: Origin
    hour: Moment
    temp: measure("temp") = None
    dewp: measure("dewp") = None
    humid: measure("humid") = None
    wind_dir: measure("wind_dir") = None
    wind_speed: measure("wind_speed") = None
    wind_gust: measure("wind_gust") = None
    precip: measure("precip") = None
    pressure: measure("pressure") = None
    visib: measure("visib") = None

    @model_validator(mode="after")
    def is_made_before_it_is_known(self) -> Self:
        """The hour begins on the hour, and nobody knows its weather before the report at minute 51."""
        if self.hour.minute or self.hour.second or self.hour.microsecond:
            raise ValueError("hour must be a whole hour")
        if self.at < self.hour + OBSERVATION_DELAY:
            raise ValueError("at must not be before hour + 51 minutes: the observation is not made yet")
        return self


Event = Annotated[Departed | Arrived | Cancelled | Diverted | Observed, Field(discriminator="kind")]
EVENT = TypeAdapter(Event)


class PredictionRequest(Message):
    """Will this flight be disrupted, seen from ``at``? Without ``at``: from two hours before departure.

    ``with_features`` asks for the features that the answer was made from.
    """

    plan: FlightPlan
    at: Moment | None = None
    with_features: bool = False

    @model_validator(mode="after")
    def looks_ahead(self) -> Self:
        """A prediction is made before the scheduled departure."""
        if self.decision_time > self.plan.scheduled_departure:
            raise ValueError("at must not be after the scheduled departure")
        return self

    @property
    def decision_time(self) -> datetime:
        """T, the moment whose knowledge the prediction may use."""
        return self.at or self.plan.scheduled_departure - HORIZON
