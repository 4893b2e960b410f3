"""What a replay sends in order of time, and six faults that spoil it from some moment on.

A fault changes only what is sent. The service, its models and its store stay sound, and nobody tells them.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.data import Tables
from helpers.disruption.messages import HORIZON
from helpers.disruption.stream import ENDS, events, flight_plans


class Stream(NamedTuple):
    """What is sent: events in order of ``at`` (see ``stream.events``), and plans in order of ``ask_at``."""

    events: pd.DataFrame
    requests: pd.DataFrame


def stream_of(tables: Tables) -> Stream:
    """The year as it would have come."""
    plans = flight_plans(tables)
    requests = plans.assign(ask_at=plans.scheduled_departure - HORIZON)
    return Stream(events(tables), requests.sort_values(["ask_at", "flight_id"], ignore_index=True))


def cut(stream: Stream, after: pd.Timestamp, until: pd.Timestamp) -> Stream:
    """What comes in (after, until]."""
    return Stream(between(stream.events, "at", after, until), between(stream.requests, "ask_at", after, until))


def between(table: pd.DataFrame, column: str, after: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    """The rows of a table in order of ``column`` in (after, until]."""
    first, last = table[column].searchsorted([after, until], side="right")
    return table[first:last]


# Six faults


Fault = Callable[[Stream, pd.Timestamp], Stream]


def schema_change(stream: Stream, since: pd.Timestamp) -> Stream:
    """The weather's sender renames a field: ``temp`` comes as ``temperature``."""
    new = stream.events["at"] > since
    temp = stream.events.temp
    return stream._replace(events=stream.events.assign(temp=temp.mask(new), temperature=temp.where(new)))


def unit_change(stream: Stream, since: pd.Timestamp) -> Stream:
    """Wind comes in metres a second where miles an hour were agreed: each number is in range, and wrong."""
    factor = np.where(stream.events["at"] > since, 0.44704, 1.0)
    wind = {name: stream.events[name] * factor for name in ("wind_speed", "wind_gust")}
    return stream._replace(events=stream.events.assign(**wind))


def stale_weather(stream: Stream, since: pd.Timestamp) -> Stream:
    """The weather's sender repeats its last observation, with a new time each hour."""
    measured = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    told = stream.events.copy()
    observed = told.kind == "observed"
    last = told[observed & (told["at"] <= since)].groupby("origin")[measured].last()
    stale = observed & (told["at"] > since)
    told.loc[stale, measured] = last.reindex(told.origin[stale]).to_numpy()
    return stream._replace(events=told)


def late_outcomes(stream: Stream, since: pd.Timestamp) -> Stream:
    """How a flight ended is told two days late."""
    late = stream.events.kind.isin(ENDS) & (stream.events["at"] > since)
    at = stream.events["at"] + pd.to_timedelta(np.where(late, 48, 0), unit="h")
    told = stream.events.assign(at=at).sort_values(["at", "event_id"], ignore_index=True)
    return stream._replace(events=told)


def doubled_rows(stream: Stream, since: pd.Timestamp) -> Stream:
    """A join upstream finds two partners for each flight: every request comes twice."""
    again = stream.requests[stream.requests.ask_at > since]
    asked = pd.concat([stream.requests, again]).sort_values(["ask_at", "flight_id"], ignore_index=True)
    return stream._replace(requests=asked)


def bad_model(stream: Stream, since: pd.Timestamp) -> Stream:
    """Somebody deploys, past the gate, a model whose target was read the wrong way round. The stream is sound."""
    return stream


FAULTS: Mapping[str, Fault] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (schema_change, unit_change, stale_weather, late_outcomes, doubled_rows, bad_model)
}
