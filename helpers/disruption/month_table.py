"""Month by month: what was served against the first champion, had it been frozen."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from helpers.disruption.model import Costs
from helpers.metrics import Interval, bootstrap_days, bootstrap_days_mean, decision_costs


def month_table(flights: pd.DataFrame, frozen: np.ndarray, threshold: float, costs: Costs) -> pd.DataFrame:
    """One row a month and one for all: Brier score, ROC AUC and cost per 1,000 flights, frozen and as served.

    ``flights`` are served predictions whose outcome is known, ``frozen`` what the first champion says of them. A
    change is served less frozen, flight by flight, with its 95 % interval from resampled days.
    """
    month = flights.day.dt.strftime("%Y-%m").to_numpy()
    groups = [(name, month == name) for name in np.unique(month)] + [("all", np.full(len(month), True))]
    rows = {name: compare(flights[rows], frozen[rows], threshold, costs) for name, rows in groups}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("month")


def compare(flights: pd.DataFrame, frozen: np.ndarray, threshold: float, costs: Costs) -> dict[str, float | Interval]:
    """The row of one month."""
    target, served = flights.disrupted.to_numpy("float64"), flights.probability.to_numpy("float64")
    flags = (frozen >= threshold, flights.flagged.to_numpy(bool))
    bills = [1000 * decision_costs(target, flag, costs.false_alarm, costs.miss) for flag in flags]
    errors = [(probability - target) ** 2 for probability in (frozen, served)]
    return {
        "flights": len(flights),
        "disrupted": target.mean(),
        "brier_frozen": errors[0].mean(),
        "brier_served": errors[1].mean(),
        "brier_change": mean_by_days(errors[1] - errors[0], flights.day),
        "auc_frozen": roc_auc_score(target, frozen),
        "auc_served": roc_auc_score(target, served),
        "auc_change": auc_change_by_days(flights.day, target, frozen, served),
        "cost_frozen": bills[0].mean(),
        "cost_served": bills[1].mean(),
        "cost_change": mean_by_days(bills[1] - bills[0], flights.day),
    }


def mean_by_days(values: np.ndarray, days: pd.Series) -> Interval:
    """The mean, with its interval where there is more than one day."""
    if days.nunique() < 2:
        return Interval(float(values.mean()), np.nan, np.nan)
    return bootstrap_days_mean(values, days, n_boot=1000)


def auc_change_by_days(days: pd.Series, target: np.ndarray, frozen: np.ndarray, served: np.ndarray) -> Interval:
    """The change of the ROC AUC, with its interval where there is more than one day."""
    if days.nunique() < 2:
        return Interval(auc_change(target, frozen, served, np.ones(len(target))), np.nan, np.nan)
    return bootstrap_days(auc_change, days, target, frozen, served, n_boot=100)


def auc_change(target: np.ndarray, frozen: np.ndarray, served: np.ndarray, sample_weight: np.ndarray) -> float:
    """ROC AUC of what was served less that of the frozen model."""
    aucs = [roc_auc_score(target, probability, sample_weight=sample_weight) for probability in (frozen, served)]
    return aucs[1] - aucs[0]
