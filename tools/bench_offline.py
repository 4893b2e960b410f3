"""Features in bulk against one flight at a time, and what the model's wrapping costs its training."""

from collections.abc import Iterator
from itertools import islice

from bench_lines import Line, interleaved, seconds
from sklearn.ensemble import HistGradientBoostingClassifier

from helpers.data import load_tables
from helpers.disruption.contract import mended
from helpers.disruption.features import CATEGORIES, OperationsState, build_features, disrupted
from helpers.disruption.messages import HORIZON
from helpers.disruption.model import MODELS, train
from helpers.disruption.stream import as_events, as_plans, events, flight_plans

ROUNDS = 5
GOAL_SECONDS = 6.0  # for the features of a year
GOAL_TRAINING = 1.25  # times what scikit-learn needs by itself


def offline() -> Iterator[Line]:
    """Both lines."""
    tables = mended(load_tables(2013))
    flights, plans = tables.flights, flight_plans(tables)
    state = OperationsState(plans, tables.airports)
    for event in islice(as_events(events(tables)), 50_000):
        state.apply(event)
    asked = list(as_plans(plans[flights.month == 1].head(2_000)))

    def one_by_one() -> float:
        return seconds(lambda: [state.features(plan, plan.scheduled_departure - HORIZON) for plan in asked])

    year, some = interleaved(ROUNDS, lambda: seconds(lambda: build_features(tables)), one_by_one)
    bulk, single = len(flights) / year, len(asked) / some
    yield Line(
        f"features of a year ({year:.1f} s), one by one",
        f"{bulk:,.0f} rows/s",
        f"{single:,.0f} rows/s",
        bulk / single,
        f"a year in {GOAL_SECONDS:g} s",
        year > GOAL_SECONDS,
    )

    half = flights.month <= 6
    features, target = build_features(tables)[half], disrupted(flights)[half]
    peer = scikit_learn(**{name: getattr(MODELS["boosting"](), name) for name in SHARED})
    ours, alone = interleaved(
        ROUNDS,
        lambda: seconds(lambda: train("boosting", features, target)),
        lambda: seconds(lambda: peer.fit(features, target)),
    )
    yield Line(
        "training on January to June, scikit-learn alone",
        f"{ours:.1f} s",
        f"{alone:.1f} s",
        alone / ours,
        f"at most {GOAL_TRAINING:g} times as long",
        ours > GOAL_TRAINING * alone,
    )


SHARED = ("learning_rate", "max_iter", "max_leaf_nodes", "min_samples_leaf")


def scikit_learn(**params: float) -> HistGradientBoostingClassifier:
    """The same trees, straight from the table with its categories."""
    return HistGradientBoostingClassifier(
        categorical_features=list(CATEGORIES), early_stopping=False, random_state=0, **params
    )
