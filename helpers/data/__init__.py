"""The data sets of the course as pandas data frames.

    from helpers.data import load_flights, load_tables

Every call reads the Parquet files that travel with the course (`files/`, described in SOURCES.md) and returns a fresh
frame that is yours to change. Nothing asks the network. Rows, their order and their faults are those of the origin.

Types, the same in both years: whole numbers that are never missing are int64, all other numbers float64, text is
pandas' `str`, moments are datetime64[us, UTC]. A missing value is NaN, in text too.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FILES = Path(__file__).parent / "files"
SUMS = "SHA256SUMS"
YEARS = (2013, 2023)
MEND = "get it back with 'git checkout -- helpers/data/files' or build it again with 'make data'"


class DataFileError(Exception):
    """A data file cannot be given: it is missing, damaged, or there is none for that year. One line says what to do."""


class Tables(NamedTuple):
    """The five tables of one year."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame
    airlines: pd.DataFrame


def load_tables(year: int = 2013) -> Tables:
    """Return all five tables of one year, 2013 or 2023.

    Raises:
        DataFileError: the year is another one, or a file is missing or damaged.
    """
    return Tables(load_flights(year), load_weather(year), load_planes(year), load_airports(year), load_airlines(year))


def load_flights(year: int = 2013) -> pd.DataFrame:
    """Return every scheduled departure from New York's three airports in a year: 336,776 rows in 2013, 435,352 in 2023.

    Columns:
        year, month, day: scheduled date of departure, local (America/New_York).
        dep_time, arr_time: actual departure and arrival as a number HHMM (517 is 5:17, 2400 is midnight), local at the
            airport in question; NaN when it did not happen.
        sched_dep_time, sched_arr_time: the same as scheduled.
        dep_delay, arr_delay: minutes late; negative is early. A flight without dep_time was cancelled; with dep_time
            and without arr_delay it was diverted or its arrival was lost.
        carrier: two-letter code, a key of airlines. flight: flight number.
        tailnum: registration of the aircraft, a key of planes; NaN only on cancelled flights.
        origin: EWR, JFK or LGA. dest: destination, a key of airports (`faa`).
        air_time: minutes in the air. distance: miles.
        hour, minute: the scheduled departure taken apart, local.
        time_hour: the scheduled hour of departure. 2013: true UTC. 2023: **local time that is labelled UTC**, a fault
            of the origin that is kept: a join with weather of 2023 on it matches, and is wrong by four or five hours.

    Raises:
        DataFileError: the year is not 2013 or 2023, or the file is missing or damaged.
    """
    return _read(f"flights_{_known(year)}.parquet")


def load_weather(year: int = 2013) -> pd.DataFrame:
    """Return hourly weather at the three airports: 26,115 rows for 2013, 26,207 for 2023.

    (origin, time_hour) is unique. (origin, year, month, day, hour) is not in 2013: the hour in which the clock goes
    back occurs twice at each airport. Both years end on 30 December.

    Columns:
        origin: EWR, JFK or LGA.
        year, month, day, hour: the hour observed. 2013: local (America/New_York). 2023: **UTC**.
        temp, dewp: temperature and dew point, degrees Fahrenheit. humid: relative humidity, percent.
        wind_dir: degrees, 0-360, with 0 in a calm. wind_speed: miles per hour, 0 in a calm; one value of 2013 is 1,048.
        wind_gust: miles per hour. 2013: NaN when no gust was reported. 2023: not a measurement but wind_speed x
            1.15078, the factor from knots to miles applied a second time.
        precip: inches in the hour. pressure: at sea level, millibar. visib: miles.
        time_hour: the hour observed, true UTC in both years. The row is complete 51 minutes later, when the airport
            makes its routine report.

    Raises:
        DataFileError: the year is not 2013 or 2023, or the file is missing or damaged.
    """
    return _read(f"weather_{_known(year)}.parquet")


def load_planes(year: int = 2013) -> pd.DataFrame:
    """Return the aircraft found in the FAA registry: 3,322 rows for 2013, 4,840 for 2023.

    Columns:
        tailnum: registration, unique. year: year of manufacture. type, manufacturer, model, engine: text as registered,
            one maker under several spellings. engines, seats: numbers of them.
        speed: cruising speed, miles per hour; NaN for nearly all in 2013, 0 for all in 2023: both mean unknown.

    Raises:
        DataFileError: the year is not 2013 or 2023, or the file is missing or damaged.
    """
    return _read(f"planes_{_known(year)}.parquet")


def load_airports(year: int = 2013) -> pd.DataFrame:
    """Return airports, nearly all in the United States: 1,458 rows for 2013, 1,255 for 2023.

    Columns:
        faa: three-letter code, unique. name: text.
        lat, lon: degrees, north and east positive; three rows of 2013 have a lost sign or the two swapped. alt: feet.
        tz: hours from UTC without daylight saving. dst: A (US rules), E (Europe's), N (none) or U (unknown).
        tzone: IANA zone.

    Four destinations of 2013 have no row: SJU, BQN, STT and PSE. In 2023 each has one.

    Raises:
        DataFileError: the year is not 2013 or 2023, or the file is missing or damaged.
    """
    return _read(f"airports_{_known(year)}.parquet")


def load_airlines(year: int = 2013) -> pd.DataFrame:
    """Return the carriers: columns carrier (two-letter code) and name; 16 rows for 2013, 14 for 2023.

    Raises:
        DataFileError: the year is not 2013 or 2023, or the file is missing or damaged.
    """
    return _read(f"airlines_{_known(year)}.parquet")


def load_adult() -> pd.DataFrame:
    """Return the Adult census income data of 1994: 48,842 people, one a row, the training part first.

    Text keeps the leading blank of the original: a missing value is " ?", the label " <=50K" or " >50K", and in the
    test part it ends with a dot (" <=50K."). 29 rows repeat an earlier one of their part; 23 more of the test part also
    stand in the training part.

    Columns:
        age: years. workclass, education, marital_status, occupation, relationship, race, sex, native_country: text.
        fnlwgt: survey weight: how many people the row stands for. education_num: education as an ordered number.
        capital_gain, capital_loss: US dollars in the year. hours_per_week: hours worked.
        income: the label. part: train or test, the original split.

    Raises:
        DataFileError: the file is missing or damaged.
    """
    return _read("adult.parquet")


def damaged_files() -> list[str]:
    """Return the names of the data files that are missing or not as shipped, none of them when all is well."""
    names = [f"{table}_{year}.parquet" for table in Tables._fields for year in YEARS]
    return [name for name in ["adult.parquet", *names] if not _is_as_shipped(name)]


def _is_as_shipped(name: str) -> bool:
    try:
        _content(name)
    except DataFileError:
        return False
    return True


def _known(year: int) -> int:
    """Return the year if there are files for it.

    Raises:
        DataFileError: there are none.
    """
    if year not in YEARS:
        raise DataFileError(f"there are no flights of the year {year!r}: choose 2013 or 2023")
    return int(year)


def _read(name: str) -> pd.DataFrame:
    """Return the data frame of one file.

    Raises:
        DataFileError: the file is missing or damaged.
    """
    return pq.ParquetFile(pa.BufferReader(_content(name))).read().to_pandas()


def _content(name: str) -> bytes:
    """Return the bytes of one file after comparing their SHA-256, which takes 5 ms for the largest.

    Raises:
        DataFileError: the file or SHA256SUMS cannot be read, or the two do not fit.
    """
    content = _bytes(name)
    if hashlib.sha256(content).hexdigest() != _sums().get(name):
        raise DataFileError(f"{FILES / name} is damaged: {MEND}")
    return content


def _sums() -> dict[str, str]:
    """Return the SHA-256 of each shipped file, by file name."""
    lines = _bytes(SUMS).decode("ascii", errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _bytes(name: str) -> bytes:
    """Return the bytes of one file as they are.

    Raises:
        DataFileError: it cannot be read.
    """
    try:
        return (FILES / name).read_bytes()
    except FileNotFoundError:
        raise DataFileError(f"{FILES / name} is missing: {MEND}") from None
    except OSError as error:
        raise DataFileError(f"{FILES / name} cannot be read ({error.strerror}): {MEND}") from None
