"""Wrong answers to the exercises of lesson 25: the mistakes that learners make, and the words that must meet them."""

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

from tests.wrong_answers import wrong

# 25.1


def filled(table, values, gappy):
    """Fill a table, with flags for some columns."""
    flags = table[gappy].isna().astype(float).add_suffix("_missing")
    return pd.concat([table.fillna(values), flags], axis="columns")


def gaps_of(table):
    """Return the columns that have a gap."""
    return table.columns[table.isna().any()]


@wrong("25.1", says="of the training rows")
def medians_of_its_own(train, new):
    """Fills each table with its own medians."""
    return filled(train, train.median(), gaps_of(train)), filled(new, new.median(), gaps_of(train))


@wrong("25.1", says="of the training rows")
def medians_of_all_rows(train, new):
    """Learns the medians from both tables."""
    values = pd.concat([train, new]).median()
    return filled(train, values, gaps_of(train)), filled(new, values, gaps_of(train))


@wrong("25.1", says="the median, not the mean")
def means(train, new):
    """Fills with the mean."""
    return filled(train, train.mean(), gaps_of(train)), filled(new, train.mean(), gaps_of(train))


@wrong("25.1", says="that should not be")
def flags_of_the_table_at_hand(train, new):
    """Flags the columns in which the table itself has gaps."""
    return filled(train, train.median(), gaps_of(train)), filled(new, train.median(), gaps_of(new))


@wrong("25.1", says="before you fill")
def flags_after_filling(train, new):
    """Makes the flags when nothing is missing any more."""
    parts = []
    for table in (train, new):
        whole = table.fillna(train.median())
        flags = whole[gaps_of(train)].isna().astype(float).add_suffix("_missing")
        parts.append(pd.concat([whole, flags], axis="columns"))
    return tuple(parts)


@wrong("25.1", says="drop no row")
def rows_dropped(train, new):
    """Drops the rows with gaps."""
    return filled(train, train.median(), gaps_of(train)).dropna(), filled(new.dropna(), train.median(), gaps_of(train))


@wrong("25.1", says="has gaps left")
def only_columns_with_flags(train, new):
    """Fills only the columns that had gaps in training."""
    values = train.median()[gaps_of(train)]
    return filled(train, values, gaps_of(train)), filled(new, values, gaps_of(train))


@wrong("25.1", says="work on a copy")
def in_place(train, new):
    """Writes into the tables that were passed in."""
    gappy, values = gaps_of(train), train.median()
    for table in (train, new):
        for name in gappy:
            table[f"{name}_missing"] = table[name].isna().astype(float)
        table.fillna(values, inplace=True)
    return train, new


# 25.2


def ranges(train):
    """Return the interquartile range of each column, 1 where it is 0."""
    return (train.quantile(0.75) - train.quantile(0.25)).replace(0, 1)


@wrong("25.2", says="let through")
def as_the_library_does(train, new, limit):
    """Forgets the limit."""
    scaler = RobustScaler().fit(train)
    return tuple(pd.DataFrame(scaler.transform(table), table.index, table.columns) for table in (train, new))


@wrong("25.2", says="divide by 1")
def constant_columns_infinite(train, new, limit):
    """Divides by a range of zero."""
    spread = train.quantile(0.75) - train.quantile(0.25)
    parts = [((table - train.median()) / spread).where(table.notna()) for table in (train, new)]
    return tuple(part.clip(-limit, limit).where(part.abs() < np.inf, part) for part in parts)


@wrong("25.2", says="not right")
def mean_and_deviation(train, new, limit):
    """Standardises."""
    return tuple(((table - train.mean()) / train.std().replace(0, 1)).clip(-limit, limit) for table in (train, new))


@wrong("25.2", says="both of the training rows")
def scaled_by_itself(train, new, limit):
    """Learns from the new rows again."""
    return tuple(((table - table.median()) / ranges(table)).clip(-limit, limit) for table in (train, new))


@wrong("25.2", says="limited after that")
def limited_before(train, new, limit):
    """Limits the raw values, in their own units."""
    return tuple(((table.clip(-limit, limit) - train.median()) / ranges(train)) for table in (train, new))


@wrong("25.2", says="a gap stays a gap")
def gaps_filled(train, new, limit):
    """Sets the gaps to the middle."""
    parts = (((table - train.median()) / ranges(train)).clip(-limit, limit) for table in (train, new))
    return tuple(part.fillna(0) for part in parts)


@wrong("25.2", says="let through")
def only_above(train, new, limit):
    """Limits only what is too high."""
    return tuple(((table - train.median()) / ranges(train)).clip(upper=limit) for table in (train, new))


@wrong("25.2", says="two data frames")
def arrays(train, new, limit):
    """Returns what the library returns, without index and names of the columns."""
    scaler = RobustScaler().fit(train)
    return tuple(np.clip(scaler.transform(table), -limit, limit) for table in (train, new))


# 25.3


def numbers_of(table, train, numbers):
    """Return the numbers of a table, filled and standardised by other rows."""
    scaler = StandardScaler().fit(train[numbers].fillna(train[numbers].mean()))
    return scaler.transform(table[numbers].fillna(train[numbers].mean()))


@wrong("25.3", says="not coded by the names of the training rows")
def broken_as_given(train, new, names, numbers):
    """The code of the task."""
    encoder = OneHotEncoder(sparse_output=False)
    return tuple(
        np.hstack([encoder.fit_transform(table[names]), numbers_of(table, table, numbers)]) for table in (train, new)
    )


@wrong("25.3", says="for no other")
def names_of_both(train, new, names, numbers):
    """Learns the names from all rows, so that none is unknown."""
    encoder = OneHotEncoder(sparse_output=False).fit(pd.concat([train, new])[names])
    return tuple(
        np.hstack([encoder.transform(table[names]), numbers_of(table, train, numbers)]) for table in (train, new)
    )


@wrong("25.3", says="The numbers of the new rows")
def only_the_names(train, new, names, numbers):
    """Repairs the names and leaves the numbers."""
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(train[names])
    return tuple(
        np.hstack([encoder.transform(table[names]), numbers_of(table, table, numbers)]) for table in (train, new)
    )


@wrong("25.3", says="The numbers of the training rows")
def numbers_of_both(train, new, names, numbers):
    """Standardises by all rows."""
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(train[names])
    both = pd.concat([train, new])
    return tuple(
        np.hstack([encoder.transform(table[names]), numbers_of(table, both, numbers)]) for table in (train, new)
    )


@wrong("25.3", says="a column for each name")
def first_name_dropped(train, new, names, numbers):
    """Drops the first name, as for a regression without a penalty."""
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(train[names])
    codes = (encoder.transform(table[names])[:, 1:] for table in (train, new))
    return tuple(
        np.hstack([code, numbers_of(table, train, numbers)]) for code, table in zip(codes, (train, new), strict=True)
    )


@wrong("25.3", says="the names were learnt twice")
def dummies(train, new, names, numbers):
    """Makes dummies of each table, of new ones only where they are known."""
    known = {f"{name}_{value}" for name in names for value in train[name].unique()}
    codes = (pd.get_dummies(table[names], dtype=float) for table in (train, new))
    codes = [table[[column for column in table if column in known]] for table in codes]
    return tuple(
        np.hstack([code, numbers_of(table, train, numbers)]) for code, table in zip(codes, (train, new), strict=True)
    )


# 25.4


def coded(names, frequent):
    """Return a column for each frequent name, and one for the others."""
    kept = names.where(names.isin(frequent), "other")
    return pd.DataFrame({name: (kept == name).astype(int) for name in [*frequent, "other"]})


def frequent_in(names, limit):
    """Return the names with so many rows or more."""
    counts = names.value_counts()
    return sorted(counts.index[counts >= limit])


@wrong("25.4", says="it is not frequent in the training rows")
def counts_the_new_rows_again(train, new, min_flights):
    """Learns the frequent names of each table."""
    return tuple(coded(names, frequent_in(names, min_flights)) for names in (train, new))


@wrong("25.4", says="has no column")
def more_than_the_limit(train, new, min_flights):
    """Asks for more rows than the limit."""
    frequent = frequent_in(train, min_flights + 1)
    return coded(train, frequent), coded(new, frequent)


@wrong("25.4", says="exactly one")
def unknown_all_zeros(train, new, min_flights):
    """Gives an unknown name no column at all."""
    frequent = frequent_in(train, min_flights)
    known = new.isin(train.dropna().unique()) | new.isna()
    return coded(train, frequent), coded(new, frequent).mul(known.astype(int), axis="index")


@wrong("25.4", says="rare, unknown or missing")
def missing_all_zeros(train, new, min_flights):
    """Gives a missing name no column at all."""
    frequent = frequent_in(train, min_flights)
    return tuple(coded(names, frequent).mul(names.notna().astype(int), axis="index") for names in (train, new))


@wrong("25.4", says="alphabetical")
def ordered_by_frequency(train, new, min_flights):
    """Puts the most frequent name first."""
    counts = train.value_counts()
    frequent = list(counts.index[counts >= min_flights])
    return coded(train, frequent), coded(new, frequent)


@wrong("25.4", says="always there")
def other_only_when_needed(train, new, min_flights):
    """Makes the column for the others only if some training name is rare."""
    frequent = frequent_in(train, min_flights)
    parts = coded(train, frequent), coded(new, frequent)
    return parts if train.nunique() > len(frequent) else tuple(part.drop(columns="other") for part in parts)


# 25.5


def rate_of(flights, weight, start):
    """Return the smoothed rate from counts of late and of all flights."""
    return (flights["sum"] + weight * start) / (flights["count"] + weight)


def by_past(key, late, day, weight, start):
    """Return the right encoding of the training rows."""
    daily = late.astype(float).groupby([key, day]).agg(["sum", "count"])
    past = daily.groupby(level=0).cumsum() - daily
    return rate_of(past, weight, start).reindex(pd.MultiIndex.from_arrays([key, day])).to_numpy()


def by_all(key, late, weight, start):
    """Return the rate of each key over all rows."""
    return rate_of(late.astype(float).groupby(key).agg(["sum", "count"]), weight, start)


@wrong("25.5", says="its own answer in its feature")
def naive(key, late, day, new_key, weight, start):
    """Encodes the training rows by all training rows."""
    rate = by_all(key, late, weight, start)
    return key.map(rate), new_key.map(rate).fillna(start)


@wrong("25.5", says="flights of its own day")
def up_to_the_day(key, late, day, new_key, weight, start):
    """Takes the flights of the day itself."""
    daily = late.astype(float).groupby([key, day]).agg(["sum", "count"])
    so_far = rate_of(daily.groupby(level=0).cumsum(), weight, start)
    encoded = so_far.reindex(pd.MultiIndex.from_arrays([key, day])).to_numpy()
    return encoded, new_key.map(by_all(key, late, weight, start)).fillna(start)


@wrong("25.5", says="later days as well")
def all_other_days(key, late, day, new_key, weight, start):
    """Leaves out the row's own day and takes the later ones."""
    daily = late.astype(float).groupby([key, day]).agg(["sum", "count"])
    others = daily.groupby(level=0).transform("sum") - daily
    encoded = rate_of(others, weight, start).reindex(pd.MultiIndex.from_arrays([key, day])).to_numpy()
    return encoded, new_key.map(by_all(key, late, weight, start)).fillna(start)


@wrong("25.5", says="no order of time")
def rows_before(key, late, day, new_key, weight, start):
    """Takes the rows that come before in the table."""
    flights = pd.DataFrame({"sum": late.astype(float), "count": 1.0})
    past = flights.groupby(key).cumsum() - flights
    return rate_of(past, weight, start), new_key.map(by_all(key, late, weight, start)).fillna(start)


@wrong("25.5", says="earlier days")
def flights_before_on_the_day(key, late, day, new_key, weight, start):
    """Sorts by day and takes all rows before, those of the same day too."""
    order = day.sort_values(kind="stable").index
    flights = pd.DataFrame({"sum": late.astype(float), "count": 1.0}).loc[order]
    past = flights.groupby(key.loc[order]).cumsum() - flights
    encoded = rate_of(past, weight, start).reindex(key.index)
    return encoded, new_key.map(by_all(key, late, weight, start)).fillna(start)


@wrong("25.5", says="Some rows have no value")
def unseen_keys_missing(key, late, day, new_key, weight, start):
    """Leaves unknown keys without a value."""
    return by_past(key, late, day, weight, start), new_key.map(by_all(key, late, weight, start))


@wrong("25.5", says="an unknown key gets `start`")
def overall_rate_for_unknown(key, late, day, new_key, weight, start):
    """Gives unknown keys the overall rate."""
    rate = by_all(key, late, weight, start)
    return by_past(key, late, day, weight, start), new_key.map(rate).fillna(late.mean())


@wrong("25.5", says="formula")
def not_smoothed(key, late, day, new_key, weight, start):
    """Ignores the weight."""
    encoded = pd.Series(by_past(key, late, day, 1e-12, start), key.index)
    return encoded, new_key.map(by_all(key, late, 1e-12, start)).fillna(start)


# 25.6


def decided(losses, columns, low, chosen=None):
    """Return the answer from the lower ends."""
    best = losses.mean().idxmin()
    rivals = [name for name in losses if low[name] <= 0]
    chosen = chosen or min(rivals, key=lambda name: (columns[name], losses[name].mean()))
    return {"best": best, "low": dict(low), "chosen": chosen}


def lower_ends(losses):
    """Return the right lower ends."""
    worse = losses.sub(losses[losses.mean().idxmin()], axis="index")
    return worse.mean() - 1.96 * worse.sem()


@wrong("25.6", says="is not shown to be worse")
def the_best(losses, columns):
    """Takes the best, whatever it costs."""
    return decided(losses, columns, lower_ends(losses), losses.mean().idxmin())


@wrong("25.6", says="shown to be worse than")
def the_cheapest(losses, columns):
    """Takes the encoder with the fewest columns."""
    cheapest = min(losses, key=lambda name: (columns[name], losses[name].mean()))
    return decided(losses, columns, lower_ends(losses), cheapest)


@wrong("25.6", says="on each day the loss less the best's loss")
def not_paired(losses, columns):
    """Takes the days of the two encoders for different days."""
    best = losses.mean().idxmin()
    error = (losses.var() / len(losses) + losses[best].var() / len(losses)) ** 0.5
    return decided(losses, columns, losses.mean() - losses[best].mean() - 1.96 * error)


@wrong("25.6", says="root of n")
def deviation_for_error(losses, columns):
    """Takes the spread of the days for the error of the mean."""
    worse = losses.sub(losses[losses.mean().idxmin()], axis="index")
    return decided(losses, columns, worse.mean() - 1.96 * worse.std())


@wrong("25.6", says="smaller mean loss")
def alphabetical_among_equals(losses, columns):
    """Takes the first name among equals."""
    low = lower_ends(losses)
    rivals = [name for name in losses if low[name] <= 0]
    return decided(losses, columns, low, min(rivals, key=lambda name: (columns[name], name)))


@wrong("25.6", says="smaller mean loss")
def first_of_the_table_among_equals(losses, columns):
    """Asks for the fewest columns and takes the first that has them."""
    low = lower_ends(losses)
    return decided(losses, columns, low, min((name for name in losses if low[name] <= 0), key=columns.get))


@wrong("25.6", says="smaller mean loss")
def last_as_listed_among_equals(losses, columns):
    """Walks through the encoders and lets each one that is as cheap replace the one before."""
    low = lower_ends(losses)
    cheapest = None
    for name in columns:
        if low[name] <= 0 and (cheapest is None or columns[name] <= columns[cheapest]):
            cheapest = name
    return decided(losses, columns, low, cheapest)


@wrong("25.6", says="n - 1")
def divided_by_n(losses, columns):
    """Divides the sum of squares by n."""
    worse = losses.sub(losses[losses.mean().idxmin()], axis="index")
    return decided(losses, columns, worse.mean() - 1.96 * worse.std(ddof=0) / len(losses) ** 0.5)
