"""Which model answers now, which one wants to, and what each was made of.

A *version* is a fitted model with its card: what it was trained and tested on, how good it was, its costs and its
threshold. Two aliases point at versions: ``challenger`` at the newest, ``champion`` at the one that answers.
``promote`` and ``rollback`` move the champion; a running service that asks ``champion`` from time to time follows
without a restart. Versions, aliases, tags, metrics and files are kept by MLflow on SQLite, in one folder that can be
moved: ``mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db`` shows them.

A version is written once. The SHA-256 of each of its files is kept in the database and compared at every load, so a
file that was swapped or torn is refused; and no file can run code when it is loaded, since it is not a pickle: skops
builds only the types in ``TRUSTED``, Keras only its own layers. Whoever can write to the database can make both
agree, so the folder's permissions are part of the promise.
"""

import hashlib
import json
import logging
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from numpy.typing import ArrayLike

from helpers.disruption.model import (
    Calibrated,
    Costs,
    Evaluation,
    Model,
    Network,
    evaluate,
    import_keras,
    reference_statistics,
    refuse_too_good,
)
from helpers.disruption.parts import Sample
from helpers.metrics import Interval

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

NAME = "disruption"  # of the experiment and of the registered model
CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPIONS = "champions"  # tag of the registered model: the versions that were champion, the present one last
LOCK_SECONDS = 30
KEPT = 3  # loaded versions held in memory: champion, challenger and the one before

CARD, CARD_TEXT, MODEL_FILE, NETWORK_FILE = "card.json", "card.md", "model.skops", "network.keras"
# What skops does not trust by itself. Each was looked at: none runs code when it is built.
TRUSTED = [
    "helpers.disruption.model.BaseRate",
    "helpers.disruption.model.Boosting",
    "helpers.disruption.model.Calibrated",
    "helpers.disruption.model.Encoder",
    "helpers.disruption.model.Logistic",
    "helpers.disruption.model.Network",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]


class RegistryError(Exception):
    """The registry cannot do what it was asked; the message says what to do."""


# What a version is made of


class Window(NamedTuple):
    """The days that a sample covers (first and last, as ISO dates), and its number of flights."""

    first: str
    last: str
    flights: int

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """The window of a sample."""
        days = pd.to_datetime(sample.days)
        return cls(str(days.min().date()), str(days.max().date()), len(days))

    def __str__(self) -> str:
        """As it stands in the card."""
        return f"{self.first} to {self.last}, {self.flights:,} flights"


@dataclass(frozen=True)
class Card:
    """What is to be known of a version before anyone relies on it.

    Mitchell and others, "Model cards for model reporting", 2019.
    """

    name: str
    params: dict[str, Any]
    trained: Window
    tested: Window
    evaluation: Evaluation
    costs: Costs
    reference: dict[str, dict[str, float | str]]
    data_digest: str
    commit: str
    made_at: str

    @property
    def threshold(self) -> float:
        """The probability from which on a flight is flagged."""
        return self.evaluation.threshold

    def to_json(self) -> str:
        """The card as a file that ``from_json`` reads."""
        evaluation = {name: list(v) if isinstance(v, Interval) else v for name, v in self.evaluation._asdict().items()}
        content = {**asdict(self), "trained": self.trained._asdict(), "tested": self.tested._asdict()}
        return json.dumps(content | {"evaluation": evaluation}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The card of a file."""
        content = json.loads(text)
        evaluation = {name: Interval(*v) if isinstance(v, list) else v for name, v in content["evaluation"].items()}
        windows = {name: Window(**content[name]) for name in ("trained", "tested")}
        costs = Costs(**content["costs"])
        return cls(**content | windows | {"evaluation": Evaluation(**evaluation), "costs": costs})

    def to_markdown(self) -> str:
        """The card as a page that people read."""
        found = self.evaluation
        measures = [f"| {name.replace('_', ' ')} | {value} |" for name, value in found.intervals().items()]
        return "\n".join(
            [
                f"# Disruption of flights from New York: {self.name}",
                "",
                "Forecasts, before departure, the probability that a flight arrives 15 minutes late or more, is",
                "cancelled or is diverted. For planning staff and messages; not for decisions on single passengers.",
                "",
                f"- Trained on {self.trained}",
                f"- Tested on {self.tested}, of which {found.disrupted_share:.1%} were disrupted",
                f"- Flags a flight from a probability of {self.threshold:.3f}: a false alarm is taken to cost "
                f"{self.costs.false_alarm:g} euros, a miss {self.costs.miss:g}",
                f"- Parameters: {', '.join(f'{name} {value}' for name, value in self.params.items()) or 'none'}",
                f"- Made {self.made_at} by commit {self.commit} from data {self.data_digest[:12]}",
                "",
                f"| measure | value [95 % interval over {found.days} days] |",
                "|---|---|",
                *measures,
                "",
                "A season, a carrier or an airport that the training days do not hold is not covered by these numbers.",
                "",
            ]
        )


def make_card(
    model: Model,
    training: Sample,
    test: Sample,
    costs: Costs | None = None,
    threshold: float | None = None,
    n_boot: int = 200,
) -> Card:
    """Measure a model on flights that it was not trained on, and write down what it is made of.

    Without a threshold, that of the costs is taken. Raises ValueError when the test does not come after the training.
    """
    trained, tested = Window.of(training), Window.of(test)
    if tested.first <= trained.last:
        raise ValueError(f"tested from {tested.first}, trained until {trained.last}: test on days that come later")
    costs = costs or Costs()
    forecast = model.predict_proba(test.features)
    return Card(
        name=model.name,
        params=params_of(model),
        trained=trained,
        tested=tested,
        evaluation=evaluate(test.target, forecast, test.days, costs, threshold, n_boot),
        costs=costs,
        reference=reference_statistics(training.features[list(model.columns)]),
        data_digest=digest(training.features, training.target),
        commit=git_commit(),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def params_of(model: Model) -> dict[str, Any]:
    """What the model was told before the fit, and how it was calibrated."""
    if isinstance(model, Calibrated):
        return {**params_of(model.model), "calibration": type(model.curve).__name__}
    return {part.name: getattr(model, part.name) for part in fields(model) if part.init}


def digest(features: pd.DataFrame, target: ArrayLike) -> str:
    """A SHA-256 of the training rows, in their order: the same for the same values on any machine."""
    found = hashlib.sha256()
    for name, column in features.items():
        found.update(f"{name}:".encode())
        numeric = pd.api.types.is_numeric_dtype(column)
        found.update(number_bytes(column) if numeric else "\0".join(column.astype("str").to_numpy()).encode())
    found.update(np.asarray(target, bool).tobytes())
    return found.hexdigest()


def number_bytes(column: pd.Series) -> bytes:
    """The bytes of numbers, little end first; one pattern for every NaN, and no negative zero."""
    values = column.to_numpy("float64") + 0.0
    return np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes()


def git_commit() -> str:
    """The commit of this code, with "-dirty" when it was changed since; "unknown" outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


@dataclass(frozen=True)
class Bundle:
    """A version, ready to answer."""

    version: str
    model: Model
    card: Card

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that the model wants."""
        return self.model.columns

    @property
    def typical(self) -> dict[str, float | str]:
        """The usual value of each feature in training."""
        return {name: column["typical"] for name, column in self.card.reference.items()}


# To files and back


def to_files(model: Model, card: Card) -> dict[str, bytes]:
    """The files of a version, by name."""
    import skops.io

    files = {
        CARD: card.to_json().encode(),
        CARD_TEXT: card.to_markdown().encode(),
        MODEL_FILE: skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED),
    }
    network = network_in(model)
    return files if network is None else files | {NETWORK_FILE: keras_bytes(network.net)}


def from_files(files: Mapping[str, bytes]) -> tuple[Model, Card]:
    """The model and the card of a version's files. Raises RegistryError for a file of another type."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        model = skops.io.loads(files[MODEL_FILE], trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise RegistryError(f"{MODEL_FILE} holds what this registry does not write: {error}") from None
    network = network_in(model)
    if network is not None:
        network.net = keras_network(files[NETWORK_FILE])
    return model, Card.from_json(files[CARD])


def network_in(model: Model) -> Network | None:
    """The network that answers in the end, if one does."""
    inner = model.model if isinstance(model, Calibrated) else model
    return inner if isinstance(inner, Network) else None


def keras_bytes(net: Any) -> bytes:
    """A Keras model in its own format."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NETWORK_FILE)
        net.save(path)
        return path.read_bytes()


def keras_network(content: bytes) -> Any:
    """The Keras model of a file; layers that bring code of their own are refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NETWORK_FILE)
        path.write_bytes(content)
        return import_keras().saving.load_model(path, safe_mode=True)


# The registry


class Registry:
    """The versions in one folder. Safe for several processes at once.

    The first use of a folder makes its database (3-4 s). Every method raises RegistryError with one line.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open the registry of a folder, or make it."""
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.loaded: dict[str, Bundle] = {}
        with self.locked():
            self.client = mlflow_client(self.folder / "mlflow.db")
            if self.client.get_experiment_by_name(NAME) is None:
                self.client.create_experiment(NAME, (self.folder / "runs").as_uri())
            if not self.client.search_registered_models(f"name = '{NAME}'"):
                self.client.create_registered_model(NAME)

    def log(self, model: Model, card: Card) -> str:
        """Keep a model as a new version, which becomes the challenger; returns the version.

        Raises TooGoodToBeTrue for a model that must have seen the future.
        """
        refuse_too_good(card.evaluation.roc_auc)
        files = to_files(model, card)
        from_files(files)  # what cannot be read back is not kept
        with self.locked():
            experiment = self.client.get_experiment_by_name(NAME).experiment_id
            run = self.client.create_run(experiment, run_name=f"{card.name} {card.trained.first} {card.trained.last}")
            self.write(run.info.run_id, files, card)
            made = self.client.create_model_version(NAME, run.info.artifact_uri, run.info.run_id, tags(card, files))
            version = str(made.version)
            self.client.set_registered_model_alias(NAME, CHALLENGER, version)
        return version

    def write(self, run: str, files: Mapping[str, bytes], card: Card) -> None:
        """Put files, parameters and metrics into a new run, and end it."""
        from mlflow.entities import Metric, Param

        # Not through MLflow, which would write to where the folder was when it was made.
        folder = self.files_of(run)
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        at = int(datetime.fromisoformat(card.made_at).timestamp() * 1000)
        metrics = [
            Metric(name if end == "value" else f"{name}_{end}", number, at, 0)
            for name, interval in card.evaluation.intervals().items()
            for end, number in interval._asdict().items()
        ]
        # One transaction for all, where log_metric makes one for each.
        self.client.log_batch(run, metrics, [Param(name, str(value)) for name, value in card.params.items()])
        self.client.set_terminated(run)

    def files_of(self, run: str) -> Path:
        """The folder of a run's files, wherever the registry was moved to."""
        return self.folder / "runs" / run / "artifacts"

    def load(self, name: str | int) -> Bundle:
        """The bundle of a version or of an alias; read from its files once, then kept in memory.

        Raises RegistryError for one that does not exist, and for files that are not as they were written.
        """
        found = self.find(name)
        version = str(found.version)
        if version not in self.loaded:
            model, card = from_files(self.read(found))
            self.loaded = dict(list(self.loaded.items())[1 - KEPT :]) | {version: Bundle(version, model, card)}
        return self.loaded[version]

    def read(self, version: "ModelVersion") -> dict[str, bytes]:
        """The files of a version, each compared with the SHA-256 from the day when it was written."""
        files = {}
        for name, expected in json.loads(version.tags["sha256"]).items():
            path = self.files_of(version.run_id) / name
            files[name] = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(files[name]).hexdigest() != expected:
                raise RegistryError(
                    f"version {version.version}: {path} is not the file that was registered; "
                    "restore it from a backup, or roll back and train again"
                )
        return files

    def verified(self, version: str | int) -> str:
        """The version, after a look at its files."""
        found = self.find(version)
        self.read(found)
        return str(found.version)

    def find(self, name: str | int) -> "ModelVersion":
        """MLflow's entry of a version or of an alias."""
        from mlflow.exceptions import MlflowException

        try:
            if str(name).isdecimal():
                return self.client.get_model_version(NAME, str(name))
            return self.client.get_model_version_by_alias(NAME, str(name))
        except MlflowException:
            what = "train a model and promote it" if name == CHAMPION else f"take one of {self.versions()}"
            raise RegistryError(f"there is no {name!r} in the registry {self.folder}: {what}") from None

    def versions(self) -> list[str]:
        """All versions, the oldest first."""
        found = self.client.search_model_versions(f"name = '{NAME}'")
        return sorted((str(entry.version) for entry in found), key=int)

    def champion(self) -> Bundle:
        """The version that answers. Quick when it has not changed: one look into the database."""
        return self.load(CHAMPION)

    def challenger(self) -> Bundle | None:
        """The newest version, until it is promoted; None after that."""
        return self.load(CHALLENGER) if self.points_to(CHALLENGER) else None

    def points_to(self, alias: str) -> str | None:
        """The version that an alias points to, if it points to any."""
        version = self.client.get_registered_model(NAME).aliases.get(alias)
        return None if version is None else str(version)

    def promote(self, version: str | int) -> str:
        """Make a version the champion; returns it. Promoting the champion changes nothing.

        The files are verified first, so that a damaged version never becomes champion.
        """
        with self.locked():
            promoted = self.verified(version)
            champions = self.champions()
            if champions[-1:] != [promoted]:
                # The history first: if we die between the two, the alias is what holds and the history is cut back.
                self.remember([*champions, promoted])
                self.client.set_registered_model_alias(NAME, CHAMPION, promoted)
            if self.points_to(CHALLENGER) == promoted:
                self.client.delete_registered_model_alias(NAME, CHALLENGER)
        return promoted

    def rollback(self, bad: str | int | None = None) -> str:
        """Make the champion before this one champion again; returns it.

        Called again it goes back further. With ``bad``, the version to get rid of, it goes back only while that is
        champion, so that two people who react to one alarm take one step and not two.
        Raises RegistryError when there was no champion before.
        """
        with self.locked():
            champions = self.champions()
            if bad is not None and champions and champions[-1] != str(bad):
                return champions[-1]
            if len(champions) < 2:
                raise RegistryError("there is no earlier champion to go back to: train a model and promote it")
            *earlier, leaving = champions
            back = self.verified(earlier[-1])
            self.client.set_registered_model_alias(NAME, CHAMPION, back)
            self.remember(earlier)
            self.client.set_model_version_tag(NAME, leaving, "rolled_back_at", datetime.now(UTC).isoformat())
        return back

    def champions(self) -> list[str]:
        """The versions that were champion one after the other, the present one last; rolled back ones are gone.

        The alias is what counts: a history that a crash left behind is cut back to it.
        """
        present = self.points_to(CHAMPION)
        history = json.loads(self.client.get_registered_model(NAME).tags.get(CHAMPIONS, "[]"))
        while history and history[-1] != present:
            history.pop()
        return history or ([] if present is None else [present])

    def remember(self, champions: list[str]) -> None:
        """Write the history down."""
        self.client.set_registered_model_tag(NAME, CHAMPIONS, json.dumps(champions))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process changes the registry at a time."""
        try:
            with FileLock(self.folder / "registry.lock", timeout=LOCK_SECONDS):
                yield
        except Timeout:
            raise RegistryError(
                f"the registry {self.folder} has been busy for {LOCK_SECONDS} s: wait for the other process, or end it"
            ) from None


def tags(card: Card, files: Mapping[str, bytes]) -> dict[str, str]:
    """What MLflow's pages show of a version, and what its files must be."""
    return {
        "model": card.name,
        "trained_from": card.trained.first,
        "trained_to": card.trained.last,
        "tested_from": card.tested.first,
        "tested_to": card.tested.last,
        "threshold": f"{card.threshold:.6g}",
        "git_commit": card.commit,
        "data_digest": card.data_digest,
        **{name: str(value) for name, value in card.evaluation.intervals().items()},
        "sha256": json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in files.items()}),
    }


def mlflow_client(database: Path) -> "MlflowClient":
    """MLflow on a SQLite file, silent towards the network. The import takes seconds, so it waits until here."""
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"})
    from mlflow import MlflowClient

    # MLflow tells at length how it makes its tables.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    address = f"sqlite:///{database}"
    return MlflowClient(tracking_uri=address, registry_uri=address)
