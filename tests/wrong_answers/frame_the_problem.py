"""Wrong answers to the exercises of lesson 11: the mistakes that learners make, and the words that must meet them."""

import uuid

import httpx
import numpy as np
import pandas as pd

from tests.wrong_answers import wrong

# 11.0


@wrong("11.0", says="Silence about a quiet flight")
def accuracy_with_euro_signs(warned, disrupted):
    """The code of the lesson."""
    return 1000 * np.where(np.asarray(warned) == np.asarray(disrupted), 5, -1).mean()


@wrong("11.0", says="without a warning nothing is saved")
def charges_for_misses(warned, disrupted):
    """Takes a miss for money lost."""
    return 1000 * (5 * (warned & disrupted) - (warned & ~disrupted) - 5 * (~warned & disrupted)).mean()


@wrong("11.0", says="each of them costs a euro")
def free_false_alarms(warned, disrupted):
    """Counts correct warnings only."""
    return 1000 * (5 * (warned & disrupted)).mean()


@wrong("11.0", says="divide by all flights")
def for_each_warning(warned, disrupted):
    """Divides by the warnings."""
    return 1000 * np.where(disrupted[warned], 5, -1).mean() if warned.any() else 0.0


@wrong("11.0", says="Return one number")
def one_for_each_flight(warned, disrupted):
    """Forgets to add up."""
    return 5 * (warned & disrupted) - 1 * (warned & ~disrupted)


# 11.1


def priced(disrupted, rules, costs):
    """The bill of each rule in euros for 1,000 flights."""
    return {
        name: 1000 * np.mean([costs[bool(w), bool(d)] for w, d in zip(warned, disrupted, strict=True)])
        for name, warned in rules.items()
    }


def with_baselines(disrupted, rules):
    """The rules and the two that need no model."""
    return rules | {"nobody": [False] * len(disrupted), "everybody": [True] * len(disrupted)}


def cheapest_first(totals):
    """A dict in order of its values."""
    return dict(sorted(totals.items(), key=lambda item: item[1]))


@wrong("11.1", says="has no baseline")
def without_baselines(disrupted, rules, costs):
    """Prices only what was proposed."""
    return cheapest_first(priced(disrupted, rules, costs))


@wrong("11.1", says="not in order")
def in_the_order_given(disrupted, rules, costs):
    """Does not sort."""
    return priced(disrupted, with_baselines(disrupted, rules), costs)


@wrong("11.1", says="not in order")
def dearest_first(disrupted, rules, costs):
    """Sorts as if euros were a score."""
    return dict(reversed(cheapest_first(priced(disrupted, with_baselines(disrupted, rules), costs)).items()))


@wrong("11.1", says="the task asks for 1,000")
def of_these_flights(disrupted, rules, costs):
    """Returns the sum."""
    totals = priced(disrupted, with_baselines(disrupted, rules), costs)
    return cheapest_first({name: total * len(disrupted) / 1000 for name, total in totals.items()})


@wrong("11.1", says="has its own price")
def only_the_mistakes(disrupted, rules, costs):
    """Takes correct answers for free."""
    return cheapest_first(
        priced(disrupted, with_baselines(disrupted, rules), costs | {(True, True): 0, (False, False): 0})
    )


@wrong("11.1", says="has its own price")
def pairs_the_wrong_way_round(disrupted, rules, costs):
    """Reads the key as (disrupted, warned)."""
    swapped = {(disturbed, warned): euros for (warned, disturbed), euros in costs.items()}
    return cheapest_first(priced(disrupted, with_baselines(disrupted, rules), swapped))


@wrong("11.1", says="work on a copy")
def adds_to_the_rules(disrupted, rules, costs):
    """Writes into the dict that was passed in."""
    rules.update(with_baselines(disrupted, {}))
    return cheapest_first(priced(disrupted, rules, costs))


# 11.2


def by_hour(bad, flights):
    """The share of bad flights by airport and hour."""
    return bad.groupby([flights.origin, flights.time_hour]).mean()


@wrong("11.2", says="did not arrive as planned")
def cancelled_is_not_late(flights, limit, share):
    """Compares a missing delay with the limit."""
    return by_hour(flights.arr_delay >= limit, flights) >= share


@wrong("11.2", says="hours of the schedule are missing")
def only_arrivals(flights, limit, share):
    """Drops the flights without a delay."""
    flown = flights.dropna(subset="arr_delay")
    return by_hour(flown.arr_delay >= limit, flown) >= share


@wrong("11.2", says="did not arrive as planned")
def forgets_the_diverted(flights, limit, share):
    """Takes only a missing departure for bad."""
    return by_hour(flights.dep_time.isna() | (flights.arr_delay >= limit), flights) >= share


@wrong("11.2", says="a delay at the limit")
def above_the_limit(flights, limit, share):
    """Takes a delay at the limit for good."""
    return by_hour(flights.arr_delay.isna() | (flights.arr_delay > limit), flights) >= share


@wrong("11.2", says="a share at the share")
def above_the_share(flights, limit, share):
    """Takes a share at the limit for good."""
    return by_hour(flights.arr_delay.isna() | (flights.arr_delay >= limit), flights) > share


@wrong("11.2", says="hours of the schedule are missing")
def the_mean_delay(flights, limit, share):
    """Averages the minutes."""
    return by_hour(flights.arr_delay, flights).dropna() >= limit


@wrong("11.2", says="on the index (time_hour, origin)")
def levels_turned_round(flights, limit, share):
    """Groups by the hour first."""
    bad = flights.arr_delay.isna() | (flights.arr_delay >= limit)
    return bad.groupby([flights.time_hour, flights.origin]).mean() >= share


@wrong("11.2", says="on the index (origin, time_hour)")
def one_for_each_flight_of_the_hour(flights, limit, share):
    """Hands the verdict of the hour back to its flights."""
    bad = flights.arr_delay.isna() | (flights.arr_delay >= limit)
    return bad.groupby([flights.origin, flights.time_hour]).transform("mean") >= share


# 11.3


def boards(flights, when, ahead=2, same_origin=True, length=3, delay=None, open_end=False):
    """A board made row by row, of the moments `when` at which flights are taken for known."""
    delay, shown = flights.dep_delay if delay is None else delay, []
    for flight in flights.itertuples():
        decision = flight.scheduled - pd.Timedelta(hours=ahead)
        seen = (when > decision - pd.Timedelta(hours=length)) & (when < decision if open_end else when <= decision)
        if same_origin:
            seen &= flights.origin == flight.origin
        shown.append(delay[seen].mean())
    return pd.Series(shown, flights.index).fillna(0)


def leaves(flights):
    """When each flight left."""
    return flights.scheduled + pd.to_timedelta(flights.dep_delay, unit="min")


@wrong("11.3", says="takes the cancelled ones")
def board_as_given(flights):
    """The code of the task."""
    shown = []
    for flight in flights.itertuples():
        decision = flight.scheduled - pd.Timedelta(hours=2)
        due = flights.scheduled.between(decision - pd.Timedelta(hours=3), decision)
        recent = flights[due & (flights.origin == flight.origin)]
        shown.append(recent.dep_delay.fillna(0).mean())
    return pd.Series(shown, flights.index).fillna(0)


@wrong("11.3", says="has no delay yet")
def only_the_cancelled(flights):
    """Mends the cancelled flights, and reads delays of flights at the gate."""
    shown = []
    for flight in flights.itertuples():
        decision = flight.scheduled - pd.Timedelta(hours=2)
        due = flights.scheduled.between(decision - pd.Timedelta(hours=3), decision)
        shown.append(flights.dep_delay[due & (flights.origin == flight.origin)].mean())
    return pd.Series(shown, flights.index).fillna(0)


@wrong("11.3", says="not the mean delay of the flights")
def cancelled_left_on_time(flights):
    """Goes by the departure, and lets cancelled flights leave punctually."""
    delay = flights.dep_delay.fillna(0)
    return boards(flights, flights.scheduled + pd.to_timedelta(delay, unit="min"), delay=delay)


@wrong("11.3", says="left before it was due")
def only_who_was_due(flights):
    """Asks of a flight that has left that it was due, too."""
    shown, left = [], leaves(flights)
    for flight in flights.itertuples():
        decision = flight.scheduled - pd.Timedelta(hours=2)
        seen = (left > decision - pd.Timedelta(hours=3)) & (left <= decision) & (flights.scheduled <= decision)
        shown.append(flights.dep_delay[seen & (flights.origin == flight.origin)].mean())
    return pd.Series(shown, flights.index).fillna(0)


@wrong("11.3", says="mixes the airports")
def all_airports(flights):
    """Shows one board everywhere."""
    return boards(flights, leaves(flights), same_origin=False)


@wrong("11.3", says="the decision is made two hours before")
def at_departure(flights):
    """Forgets the horizon."""
    return boards(flights, leaves(flights), ahead=0)


@wrong("11.3", says="leaves just at the decision")
def decision_left_out(flights):
    """Takes what happens at the decision for unknown."""
    return boards(flights, leaves(flights), open_end=True)


@wrong("11.3", says="more than three hours")
def since_ever(flights):
    """Remembers the whole day."""
    return boards(flights, leaves(flights), length=100)


@wrong("11.3", says="show 0")
def leaves_gaps(flights):
    """Leaves boards empty."""
    return boards(flights, leaves(flights)).replace(0, np.nan)


# 11.4


def key():
    """A new key."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def patient(client, plan, tries, wait, headers=None, fresh=False, pause=None, after_last=False, repeats=(503,)):
    """A client with a switch for each mistake."""
    kept, seconds = key() if headers is None else headers, 1.0
    for turn in range(tries):
        if turn:
            wait(seconds)
        seconds = 1.0
        try:
            sent = key() if fresh else kept
            response = client.post("/v1/predictions", json={"plan": plan}, headers=sent)
        except httpx.TransportError:
            continue
        if response.status_code == 200:
            return response.json()
        if response.status_code not in repeats:
            raise ValueError(response.json()["detail"])
        seconds = float(response.headers.get("Retry-After", 1)) if pause is None else pause
    if after_last:
        wait(seconds)
    raise TimeoutError("no answer")


@wrong("11.4", says="no Idempotency-Key")
def no_key(client, plan, tries, wait):
    """Sends no key."""
    return patient(client, plan, tries, wait, headers={})


@wrong("11.4", says="different keys")
def a_key_for_each_try(client, plan, tries, wait):
    """Makes the key inside the loop."""
    return patient(client, plan, tries, wait, fresh=True)


@wrong("11.4", says="Two calls sent the same key")
def a_key_of_the_program(client, plan, tries, wait):
    """Uses one key for all calls."""
    return patient(client, plan, tries, wait, headers={"Idempotency-Key": "desk"})


@wrong("11.4", says="the header says how long")
def always_a_second(client, plan, tries, wait):
    """Ignores the header."""
    return patient(client, plan, tries, wait, pause=1.0)


@wrong("11.4", says="it will be as wrong")
def repeats_everything(client, plan, tries, wait):
    """Tries again whatever the status."""
    return patient(client, plan, tries, wait, repeats=(401, 422, 500, 503))


@wrong("11.4", says="not after the last one")
def waits_in_the_end(client, plan, tries, wait):
    """Waits before it gives up."""
    return patient(client, plan, tries, wait, after_last=True)


@wrong("11.4", says="your function ended with ConnectError")
def no_broken_connections(client, plan, tries, wait):
    """Knows the status only."""
    headers = key()
    for _ in range(tries):
        response = client.post("/v1/predictions", json={"plan": plan}, headers=headers)
        if response.status_code == 200:
            return response.json()
        wait(float(response.headers.get("Retry-After", 1)))
    raise TimeoutError("no answer")


@wrong("11.4", says="your function ended with ReadTimeout")
def no_lost_answers(client, plan, tries, wait):
    """Tries again only when the service was not reached."""
    headers = key()
    for _ in range(tries):
        try:
            response = client.post("/v1/predictions", json={"plan": plan}, headers=headers)
        except httpx.ConnectError:
            wait(1.0)
            continue
        if response.status_code == 200:
            return response.json()
        wait(float(response.headers.get("Retry-After", 1)))
    raise TimeoutError("no answer")


@wrong("11.4", says="takes silence for an answer")
def gives_up_silently(client, plan, tries, wait):
    """Returns None when the service stays away."""
    try:
        return patient(client, plan, tries, wait)
    except TimeoutError:
        return None


@wrong("11.4", says="pass its `detail` on")
def hides_the_reason(client, plan, tries, wait):
    """Raises an error of its own."""
    try:
        return patient(client, plan, tries, wait)
    except ValueError:
        raise ValueError("the service refused the request") from None


# 11.5


def sold(forecasts, disrupted, saves, capacity, false_alarm=1.0, per=None, pick=max, order=-1):
    """The answer with a switch for each mistake."""
    warned = round(capacity * len(disrupted))
    hits = {hours: disrupted[np.argsort(order * p)[:warned]].sum() for hours, p in forecasts.items()}
    euros = {hours: hit * saves[hours] - false_alarm * (warned - hit) for hours, hit in hits.items()}
    best = pick(euros, key=euros.get)
    return {
        "saved": {hours: 1000 * total / (per or len(disrupted)) for hours, total in euros.items()},
        "horizon": best,
        "must_save": {hours: (euros[best] + warned - hit) / max(hit, 1) for hours, hit in hits.items()},
    }


@wrong("11.5", says="The false alarms are missing")
def free_alarms(forecasts, disrupted, saves, capacity):
    """Forgets what false alarms cost."""
    return sold(forecasts, disrupted, saves, capacity, false_alarm=0.0)


@wrong("11.5", says="for 1,000 warnings")
def for_the_warned(forecasts, disrupted, saves, capacity):
    """Divides by the warnings."""
    return sold(forecasts, disrupted, saves, capacity, per=round(capacity * len(disrupted)))


@wrong("11.5", says="That is for these flights")
def in_total(forecasts, disrupted, saves, capacity):
    """Returns sums."""
    return sold(forecasts, disrupted, saves, capacity, per=1000)


@wrong("11.5", says="the highest forecasts")
def lowest_forecasts(forecasts, disrupted, saves, capacity):
    """Sorts the wrong way."""
    return sold(forecasts, disrupted, saves, capacity, order=1)


@wrong("11.5", says="the highest forecasts")
def above_a_half(forecasts, disrupted, saves, capacity):
    """Warns by a threshold, whatever the desk can do."""
    flights = len(disrupted)
    saved = {h: 1000 * np.where(p >= 0.5, np.where(disrupted, saves[h], -1), 0).mean() for h, p in forecasts.items()}
    return {"saved": saved, "horizon": max(saved, key=saved.get), "must_save": dict.fromkeys(saved, flights)}


@wrong("11.5", says="A better forecast or a dearer warning")
def the_sharpest(forecasts, disrupted, saves, capacity):
    """Takes the horizon with the best forecasts."""
    return sold(forecasts, disrupted, saves, capacity) | {"horizon": min(forecasts)}


@wrong("11.5", says="A better forecast or a dearer warning")
def the_dearest(forecasts, disrupted, saves, capacity):
    """Takes the horizon at which a correct warning saves most."""
    chosen = sold(forecasts, disrupted, saves, capacity)
    return chosen | {"horizon": min(chosen["saved"], key=chosen["saved"].get)}


@wrong("11.5", says="Put that in")
def ratio_of_euros(forecasts, disrupted, saves, capacity):
    """Scales the saving by the ratio of the euros, and forgets that false alarms do not scale."""
    chosen = sold(forecasts, disrupted, saves, capacity)
    best = chosen["saved"][chosen["horizon"]]
    return chosen | {"must_save": {hours: saves[hours] * best / euros for hours, euros in chosen["saved"].items()}}


# 11.6


RIGHT = {
    "a": "data engineer",
    "b": "data scientist",
    "c": "software engineer",
    "d": "ML engineer",
    "e": "customer service",
    "f": "data engineer",
    "g": "data scientist",
    "h": "ML engineer",
    "i": "software engineer",
    "j": "ML engineer",
}


@wrong("11.6", says="whose people are at the desk")
def limits_by_engineers():
    """Lets the model's builder set the limit."""
    return RIGHT | {"e": "ML engineer"}


@wrong("11.6", says="who looks at both at once")
def skew_is_data():
    """Takes skew for a matter of tables."""
    return RIGHT | {"d": "data engineer"}


@wrong("11.6", says="only the forecasts have grown wrong")
def drift_is_science():
    """Leaves the watch to whoever built the model."""
    return RIGHT | {"j": "data scientist"}


@wrong("11.6", says="with its threshold and its version")
def rollback_is_software():
    """Takes a model for a binary like any other."""
    return RIGHT | {"h": "software engineer"}


@wrong("11.6", says="this is an experiment")
def costs_by_decree():
    """Lets the one who named the number test it."""
    return RIGHT | {"g": "customer service"}


@wrong("11.6", says="none of the five roles")
def another_title():
    """Uses a title that was not offered."""
    return RIGHT | dict.fromkeys("dhj", "MLOps engineer")


@wrong("11.6", says="the letters a to j")
def one_forgotten():
    """Leaves a promise out."""
    return {letter: role for letter, role in RIGHT.items() if letter != "j"}
