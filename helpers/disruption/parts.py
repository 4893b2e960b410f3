"""The flights of 2013 with their features, cut by time: what the lessons on models learn, choose and report on.

=========  ==========================================================================
part       what it is for
=========  ==========================================================================
``train``  January to June: models learn from it
``choose`` July and August: settings, thresholds and candidates are chosen on it
``test``   September to December: looked at once, for the number that is reported
=========  ==========================================================================

The lessons before it build these steps: the split in lesson 24, the features in lesson 26.
"""

from typing import NamedTuple

import pandas as pd

from helpers.data import Tables, load_tables
from helpers.disruption.features import CATEGORIES, build_features, disrupted
from helpers.disruption.stream import scheduled_departure

LAST_MONTHS = {"train": 6, "choose": 8, "test": 12}


class Sample(NamedTuple):
    """Flights for training or testing: features, whether each was disrupted, and its local day."""

    features: pd.DataFrame
    target: pd.Series
    days: pd.Series


class Parts(NamedTuple):
    """Three samples that follow each other in time."""

    train: Sample
    choose: Sample
    test: Sample


def load_parts() -> Parts:
    """The shipped year in three parts; takes a few seconds and 0.8 GB. Introduced in lesson 26."""
    return split_by_time(load_tables(2013))


def split_by_time(tables: Tables) -> Parts:
    """The flights of one year in three parts, each in order of scheduled departure.

    The index stays that of ``tables.flights``, so that a part can be joined with what else is known of its flights. The
    file's own order would tell the outcome: its rows follow the actual departure, the cancelled last.
    """
    flights = tables.flights
    plan = flights[["origin", "carrier", "flight"]].assign(departure=scheduled_departure(flights))
    order = plan.sort_values(["departure", "origin", "carrier", "flight"]).index
    whole = Sample(
        build_features(tables).astype(dict.fromkeys(CATEGORIES, "str")).loc[order],
        disrupted(flights)[order],
        pd.to_datetime(flights[["year", "month", "day"]]).rename("day")[order],
    )
    part = pd.cut(flights.month[order], [0, *LAST_MONTHS.values()], labels=list(LAST_MONTHS))
    return Parts(*(Sample(*(column[part == name] for column in whole)) for name in Parts._fields))
