"""What lessons rebuild before the learner's eyes gives the values of what runs in the service."""

import ast
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.special import expit, logit
from starlette.exceptions import HTTPException

from helpers.course import ROOT, notebooks
from helpers.course.manifest import load_curriculum
from helpers.data import load_airports, load_flights, load_tables, load_weather
from helpers.disruption.answers import problem
from helpers.disruption.contract import validate, with_local_hours, with_true_utc
from helpers.disruption.features import CATEGORIES, OBSERVATION_AGE_LIMIT, build_features, disrupted, last_observation
from helpers.disruption.messages import HORIZON, OBSERVATION_DELAY, FlightPlan
from helpers.disruption.model import calibrate, contributions, train
from helpers.disruption.monitor import resample_days
from helpers.disruption.monitor_counts import ks_distance
from helpers.disruption.parts import Sample, split_by_time
from helpers.disruption.registry import digest
from helpers.disruption.retrain import likelihood_ratios, mean_of_blocks
from helpers.disruption.stream import scheduled_arrival, scheduled_departure, time_zones
from helpers.metrics import Ranking, expected_calibration_error, population_stability_index
from tests.answers import namespace


def lesson_21() -> dict:
    return namespace(load_curriculum(ROOT).lesson("21_collect_and_join"))


def test_lesson_11_reads_the_board_that_the_service_reads():
    tables = load_tables()
    some = tables.flights.query("month == 7 and day <= 2 and origin == 'EWR'")
    asked = some.assign(scheduled=scheduled_departure(some))
    shown = namespace(load_curriculum(ROOT).lesson("11_frame_the_problem"))["board"](asked)
    expected = build_features(tables._replace(flights=some)).departure_delay_origin_3h.fillna(0)
    pd.testing.assert_series_equal(shown, expected, check_names=False)


def test_lesson_21_joins_the_weather_that_the_service_knows(tmp_path):
    flights, weather = load_flights(), load_weather()
    flights = flights.assign(scheduled=scheduled_departure(flights), flight_id=flights.index)
    flights = flights.sample(20_000, random_state=0).sort_index()
    files = [str(tmp_path / name) for name in ("flights.parquet", "weather.parquet")]
    for table, file in zip((flights, weather), files, strict=True):
        table.to_parquet(file)
    spans = (int(span / pd.Timedelta(minutes=1)) for span in (HORIZON, OBSERVATION_DELAY, OBSERVATION_AGE_LIMIT))
    found = lesson_21()["as_known"](*files, *spans).set_index("flight_id").temp.sort_index()
    expected = last_observation(flights.origin, flights.scheduled - HORIZON, weather)
    pd.testing.assert_series_equal(found, expected.temp, check_names=False, check_index_type=False)


def test_lesson_21_lands_flights_when_the_service_does():
    odd_nights = load_flights().query("(month == 3 and day in (9, 10)) or (month == 11 and day in (2, 3))")
    flights, airports = odd_nights.sample(200, random_state=0), load_airports()
    zones = flights.dest.map(time_zones(airports))
    asked = zip(scheduled_departure(flights), flights.sched_arr_time, zones, strict=True)
    first_shown = lesson_21()["first_shown"]
    assert [first_shown(*flight) for flight in asked] == scheduled_arrival(flights, airports).tolist()


def taught(stem: str, *names: str, **given: object) -> dict:
    """The named functions, classes and variables of a lesson, and its imports, with no other cell run."""
    cells = notebooks.read(ROOT / load_curriculum(ROOT).lesson(stem).notebook).cells
    tree = ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))
    body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) or bound(node) & set(names)]
    exec(compile(ast.Module(body, []), stem, "exec"), given)
    return given


def bound(node: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module gives a value."""
    if not isinstance(node, ast.Assign):
        return {getattr(node, "name", "")}
    return {
        target.id for target in ast.walk(node) if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
    }


def lesson_23() -> dict:
    rules = ("gap", "delay_fits", "local_hour", "shows_local_hour", "by_hour", "repaired", "NEW_YORK")
    return taught("23_validate_the_data", *rules)


def test_lesson_23_mends_2023_as_the_contract_does():
    tables = load_tables(2023)
    mended = lesson_23()["repaired"](tables)
    pd.testing.assert_frame_equal(mended.flights, with_true_utc(tables).flights)
    pd.testing.assert_frame_equal(mended.weather, with_local_hours(tables.weather))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("delay_fits", "dep_delay is dep_time less sched_dep_time"),
        ("shows_local_hour", "time_hour shows the row's date"),
    ],
)
def test_lesson_23_refuses_the_rows_that_the_contract_refuses(name, rule):
    flights = load_flights().sample(2_000, random_state=0)
    flights.loc[flights.index[:40], "dep_delay"] += 1
    flights.loc[flights.index[20:70], "hour"] = (flights.hour + 5) % 24
    refused = validate(flights, "flights").refused
    expected = refused.index[refused.rules.str.contains(rule, regex=False)]
    keeps = lesson_23()[name](flights)
    assert set(flights.index[~keeps]) == set(expected) and len(expected) >= 39


def test_the_contract_acquits_the_two_flights_of_a_clock_change_that_lesson_23_finds_refused():
    flights = with_true_utc(load_tables(2023)).flights
    nights = flights[(flights.month * 100 + flights.day).isin([311, 1104])]
    keeps = lesson_23()["delay_fits"](nights)
    assert (~keeps).sum() == 2 and validate(nights, "flights").refused.empty


def test_lesson_26_counts_the_operations_that_the_service_counts_in_bulk_and_online():
    lesson = taught("26_build_features", "Log", "mean", "Board", "operations", "in_bulk", "replay", "minute")
    tables = load_tables()
    flights = tables.flights.query("month == 11 and day <= 6")  # with the night on which the clock goes back
    due = lesson["minute"](scheduled_departure(flights))
    left = due + flights.dep_delay
    times = pd.DataFrame(
        {"origin": flights.origin, "due": due, "left": left, "at": due - HORIZON / pd.Timedelta("1min")}
    )
    features = build_features(tables._replace(flights=flights))[["departure_delay_origin_3h", "waiting_origin"]]
    expected = features.set_axis(["departure_delay", "waiting"], axis="columns")
    for found in (lesson["in_bulk"](times), lesson["replay"](times).loc[flights.index]):
        pd.testing.assert_frame_equal(found, expected, rtol=0, atol=1e-9)


def test_lesson_25_prepares_features_as_the_logistic_model_does():
    tables = load_tables()
    features, late = build_features(tables), disrupted(tables.flights)
    seen = features.index[tables.flights.month <= 6][::20]
    asked = features.index[(features.dest == "SBN") | (features.index % 500 == 0)]
    course = train("logistic", features.loc[seen], late[seen])
    columns = {"PLACES": list(CATEGORIES), "NUMBERS": list(features.select_dtypes("number")), "DELAYS": []}
    lesson = taught("25_clean_and_scale", "linear", "recipe", "fill", "ranks", **columns)
    table = features.astype(dict.fromkeys(CATEGORIES, "str"))
    model = lesson["recipe"]().fit(table.loc[seen], late[seen])
    # Equal coefficients, in equal order: the two were fitted on equal matrices.
    np.testing.assert_allclose(model[-1].coef_, course.pipeline[-1].coef_, atol=1e-6)
    np.testing.assert_allclose(
        model.predict_proba(table.loc[asked])[:, 1], course.predict_proba(features.loc[asked]), atol=1e-6
    )


def test_lesson_41_builds_the_network_of_the_service():
    train_part, choose, _ = split_by_time(load_tables())
    learn, asked = (Sample(*(column[::40] for column in part)) for part in (train_part, choose))
    course = train("network", learn.features, learn.target, epochs=1)
    names = ("keras", "PLACES", "preparation", "raw_inputs", "network", "forecast")
    lesson = taught("41_train_a_neural_network", *names, learn=learn)
    prepare, sizes = (
        lesson["preparation"](learn.features),
        {name: learn.features[name].nunique() for name in CATEGORIES},
    )
    lesson["keras"].utils.set_random_seed(0)
    net = lesson["network"](sizes, prepare.output["numbers"].shape[1])
    net.set_weights(course.net.get_weights())
    found = expit(lesson["forecast"](net, prepare(lesson["raw_inputs"](asked))))
    np.testing.assert_allclose(found, course.predict_proba(asked.features), atol=1e-5)


def test_lesson_31_prepares_features_as_the_logistic_model_does():
    learn, asked = (Sample(*(column[::40] for column in part)) for part in split_by_time(load_tables())[:2])
    lesson = taught("31_fit_linear_models", "prepare", PLACES=list(CATEGORIES))
    numbers = [name for name in learn.features if name not in CATEGORIES]
    matrix = lesson["prepare"](numbers).fit(learn.features)
    model = lesson["LogisticRegression"](C=0.01, max_iter=1000)
    found = model.fit(matrix.transform(learn.features), learn.target).predict_proba(matrix.transform(asked.features))
    course = train("logistic", learn.features, learn.target).predict_proba(asked.features)
    np.testing.assert_allclose(found[:, 1], course, atol=1e-6)


class Linear:
    """A model of one number and one name, that answers as exercise 31.5 does."""

    columns = ("waiting", "carrier")

    def __init__(self, explain) -> None:
        self.explain = explain

    def predict_rows(self, rows):
        weights = {"waiting": 0.1, "carrier": {"EV": 0.8}}
        return [self.explain(-1.0, weights, row, {"waiting": 5.0, "carrier": "UA"})["forecast"] for row in rows]


def test_the_reasons_of_exercise_31_5_are_the_services_contributions():
    explain = namespace(load_curriculum(ROOT).lesson("31_fit_linear_models"))["explain"]
    row, usual = {"waiting": 15.0, "carrier": "EV"}, {"waiting": 5.0, "carrier": "UA"}
    moved = contributions(Linear(explain), row, usual)
    told = explain(-1.0, {"waiting": 0.1, "carrier": {"EV": 0.8}}, row, usual)
    without = {name: expit(logit(told["forecast"]) - reason) for name, reason in told["reasons"].items()}
    assert moved == pytest.approx({name: told["forecast"] - chance for name, chance in without.items()})


class Saying:
    """A model whose one feature is its forecast."""

    def predict_proba(self, features):
        return features.said.to_numpy()


def forecasts_in_thousandths(highest: int) -> tuple[pd.Series, pd.Series]:
    """Outcomes, and forecasts from .001 to `highest` thousandths that are not calibrated."""
    rng = np.random.default_rng(33)
    said = pd.Series(rng.integers(1, highest + 1, 3_000) / 1000)
    return pd.Series(rng.random(3_000) < said**2 + 0.1), said


@pytest.mark.parametrize("highest", [950, 8], ids=["few ties", "nearly all tie"])
def test_lesson_33_measures_what_the_course_measures(highest):
    late, said = forecasts_in_thousandths(highest)
    lesson = taught("33_evaluate_decisions", "sweep", "roc_auc", "average_precision", "reliability", "honesty")
    ranking = Ranking(late, said)
    for weight in (np.ones(len(late)), np.random.default_rng(0).integers(0, 3, len(late)).astype(float)):
        box = lesson["sweep"](late, said, weight)
        assert lesson["roc_auc"](box) == pytest.approx(ranking.roc_auc(weight))
        assert lesson["average_precision"](box) == pytest.approx(ranking.average_precision(weight))
    assert lesson["honesty"](late, said)[0] == pytest.approx(expected_calibration_error(late, said))


def test_lesson_33_calibrates_as_the_service_does():
    late, said = forecasts_in_thousandths(950)
    line = taught("33_evaluate_decisions", "platt")["platt"](said.to_numpy(), late)
    course = calibrate(Saying(), said.to_frame("said"), late, "sigmoid").curve
    np.testing.assert_allclose([line.coef_[0, 0], line.intercept_[0]], [course.coef_[0, 0], course.intercept_[0]])
    assert abs(line.intercept_[0]) > 0.3  # there was something to mend


@cache
def lesson_53() -> dict:
    contract = ("no_number", "in_utc", "Moment", "Plan")
    return taught("53_serve_predictions", *contract, "problem", "field_of", "Gate", "Store")


HOSTILE_PLANS = [
    {},
    {"dest": "MOON"},
    {"dest": "dca"},
    {"origin": "PHL"},
    {"carrier": "M" * 100},
    {"flight": 0},
    {"flight": 9999},
    {"flight": True},
    {"distance": float("nan")},
    {"distance": 0},
    {"distance": 12_000},
    {"distance": 12_001},
    {"distance": "213"},
    {"scheduled_departure": "2013-07-01T17:20:00"},
    {"scheduled_departure": "2013-07-01T17:20:00-04:00"},
    {"scheduled_departure": 1372713600},
    {"scheduled_departure": "1372713600"},
    {"scheduled_departure": "0001-01-01T00:30:00Z"},
    {"scheduled_arrival": "2013-07-01T20:20:00Z"},
    {"scheduled_arrival": "2013-07-03T20:20:00Z"},
    {"At": "2013-07-01T17:20:00Z"},
]


@pytest.mark.parametrize("change", HOSTILE_PLANS, ids=str)
def test_lesson_53_holds_a_plan_to_the_contract_of_the_service(change):
    plan = {"carrier": "MQ", "flight": 3365, "origin": "JFK", "dest": "DCA", "distance": 213.0} | {
        "scheduled_departure": "2013-07-01T21:20:00Z",
        "scheduled_arrival": "2013-07-01T22:48:00Z",
    }
    assert verdict(lesson_53()["Plan"], plan | change) == verdict(FlightPlan, plan | change)


def verdict(contract: type, plan: dict) -> str:
    """The key of a flight whose plan keeps the contract, or where the plan breaks it."""
    try:
        return contract(**plan).flight_id
    except ValidationError as error:
        return str(error.errors()[0]["loc"])


def test_lesson_53_refuses_with_the_document_of_the_service():
    shown = lesson_53()["problem"](422, "why", errors=[{"field": "dest"}])
    finished = problem(422, "why", errors=[{"field": "dest"}])
    assert shown.media_type == finished.media_type and shown.status_code == finished.status_code
    assert set(json.loads(shown.body)) == set(json.loads(finished.body))


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ({"content-length": "2"}, None),
        ({"content-length": "10001"}, 413),
        ({"transfer-encoding": "chunked"}, 411),
        ({"transfer-encoding": "chunked", "content-length": "2"}, 411),
    ],
)
def test_lesson_53_lets_no_body_in_whose_length_it_does_not_know(length, status):
    headers = {name.encode(): value.encode() for name, value in {"x-api-key": "key", **length}.items()}
    refusal = lesson_53()["Gate"](None, "key").refusal(headers)
    assert (refusal and refusal.status_code) == status


def test_lesson_53_names_no_field_where_the_text_is_broken():
    assert lesson_53()["field_of"]({"loc": ("body", 1)}) == "body"
    assert lesson_53()["field_of"]({"loc": ("body", "dest")}) == "dest"


def test_lesson_53_keeps_the_first_answer_of_a_key(tmp_path):
    store = lesson_53()["Store"](tmp_path / "store.db")
    assert store.keep("key", "asked", "first", "{}") == "first"
    assert store.keep("key", "asked", "second", "{}") == "first"
    with pytest.raises(HTTPException):
        store.keep("key", "another question", "third", "{}")


@pytest.mark.parametrize("length", [7, 28])
def test_lesson_61_draws_quiet_windows_as_the_monitor_does(length):
    drawn = taught("61_monitor_production", "quiet_windows")["quiet_windows"](90, length)
    expected = resample_days(90, length, 7, 300, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, expected)


def test_lesson_61_measures_the_distance_that_the_monitor_measures():
    counts = np.random.default_rng(0).integers(0, 50, (2, 20, 30))
    missing = np.full((20, 1), 5)
    found = taught("61_monitor_production", "distance")["distance"](*counts)
    np.testing.assert_allclose(found, ks_distance(*(np.hstack([part, missing]) for part in counts)))


def test_the_psi_of_exercise_61_2_is_that_of_the_metrics():
    psi = namespace(load_curriculum(ROOT).lesson("61_monitor_production"))["psi"]
    rng = np.random.default_rng(0)
    reference, current = (np.where(rng.random(500) < 0.1, np.nan, rng.normal(size=500)) for _ in range(2))
    assert psi(reference, current, 10) == pytest.approx(population_stability_index(reference, current))


def lesson_62() -> dict:
    return taught("62_retrain_and_roll_back", "evidence", "upper_end")


def test_lesson_62_weighs_the_evidence_of_harm_as_the_canary_does():
    days = np.random.default_rng(0).normal(0.4, 1, (50, 14))
    shown = lesson_62()["evidence"](days)
    assert shown == pytest.approx(np.array([likelihood_ratios(row) for row in days]), rel=1e-9)


def test_lesson_62_bounds_a_gain_as_the_gate_does():
    rng, days = np.random.default_rng(0), pd.Series(pd.date_range("2013-05-01", periods=28)).repeat(100)
    changes = rng.normal(0, 1, (5, 28))
    bounds = lesson_62()["upper_end"](changes, 4, 0.9)
    assert bounds == pytest.approx([mean_of_blocks(row.repeat(100), days, 0.9).high for row in changes])


def test_lesson_52_tells_rows_apart_as_the_registry_does():
    names = taught("52_version_everything", "sha256", "row_hashes", "in_order", "any_order")
    rng = np.random.default_rng(0)
    flights = pd.DataFrame({name: rng.normal(size=50) for name in [*names["FEATURES"], "disrupted"]})
    flights = flights.assign(carrier=rng.choice(["AA", "UA"], 50), disrupted=flights.disrupted > 1, temp=np.nan)
    for other in (
        flights.copy(),
        flights[::-1],
        flights.iloc[[1, 0, *range(2, 50)]],
        flights[:-1],
        -flights.wind_speed,
    ):
        other = flights.assign(wind_speed=other) if isinstance(other, pd.Series) else other
        same = digest(other[names["FEATURES"]], other.disrupted) == digest(
            flights[names["FEATURES"]], flights.disrupted
        )
        assert (names["in_order"](other) == names["in_order"](flights)) == same
    assert names["any_order"](flights[::-1]) == names["any_order"](flights) != names["any_order"](flights[:-1])
