"""Versions come back as they were logged or not at all, and the champion moves in one step, also under fire."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from helpers.disruption import registry as module
from helpers.disruption.model import Calibrated, Costs, Model, TooGoodToBeTrue, calibrate, train
from helpers.disruption.parts import Sample
from helpers.disruption.registry import (
    CARD,
    MODEL_FILE,
    NETWORK_FILE,
    TRUSTED,
    Card,
    Registry,
    RegistryError,
    digest,
    git_commit,
    make_card,
)

# Keras 3.15, when it saves a network, uses a way that NumPy's protocol for copies wants to give up.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

MADE = {"base_rate": {}, "logistic": {}, "boosting": {"max_iter": 5}, "network": {"epochs": 1}}


def sample(first: str, days: int, seed: int) -> Sample:
    """Flights of which a late carrier and a strong wind disrupt the more."""
    rng = np.random.default_rng(seed)
    day = pd.Series(pd.Timestamp(first) + pd.to_timedelta(np.repeat(np.arange(days), 50), unit="D"))
    carrier = rng.choice(["AA", "EV", "UA"], len(day))
    wind = np.where(rng.random(len(day)) < 0.1, np.nan, rng.gamma(2, 5, len(day)))
    origin = pd.Categorical(rng.choice(["EWR", "JFK"], len(day)))
    features = pd.DataFrame({"origin": origin, "carrier": pd.Categorical(carrier), "wind_speed": wind})
    probability = 0.15 + 0.3 * (carrier == "EV") + np.nan_to_num(wind) / 100
    return Sample(features, pd.Series(rng.random(len(day)) < probability), day)


TRAINING, LATER, TEST = sample("2013-01-01", 40, 1), sample("2013-03-01", 20, 2), sample("2013-04-01", 20, 3)


@cache
def candidate(name: str = "boosting", **params) -> tuple[Model, Card]:
    model = train(name, TRAINING.features, TRAINING.target, **(MADE[name] | params))
    return model, make_card(model, TRAINING, TEST, n_boot=20)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A registry with three versions, the last of which is the challenger."""
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry(folder)
    for trees in (3, 4, 5):
        registry.log(*candidate(max_iter=trees))
    return folder


@pytest.fixture
def registry(template, tmp_path) -> Registry:
    """A copy in a place of its own: a registry that was moved works on."""
    return Registry(shutil.copytree(template, tmp_path / "moved räume"))


@pytest.fixture(scope="module")
def unchanged(template) -> Registry:
    """The registry with three versions, for those who only read."""
    return Registry(template)


def model_file(registry: Registry, version: int, name: str = MODEL_FILE) -> Path:
    return registry.folder / "runs" / registry.find(version).run_id / "artifacts" / name


# Versions


@pytest.mark.parametrize("name", MADE)
def test_a_model_comes_back_as_it_was_logged(registry, name):
    model, card = candidate(name)
    version = registry.log(model, card)
    bundle = Registry(registry.folder).load(version)
    assert (bundle.model.predict_proba(TEST.features) == model.predict_proba(TEST.features)).all()
    assert bundle.card == card
    assert (bundle.version, bundle.columns, bundle.card.costs) == (version, model.columns, Costs())
    assert bundle.card.threshold == pytest.approx(1 / 6)
    assert model_file(registry, int(version), NETWORK_FILE).exists() == (name == "network")


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
@pytest.mark.parametrize("name", ["boosting", "network"])
def test_a_calibrated_model_comes_back_too(registry, name, method):
    model = calibrate(candidate(name)[0], LATER.features, LATER.target, method)
    bundle = registry.load(registry.log(model, make_card(model, TRAINING, TEST, n_boot=20)))
    assert isinstance(bundle.model, Calibrated)
    assert (bundle.model.predict_proba(TEST.features) == model.predict_proba(TEST.features)).all()
    assert bundle.card.params["calibration"] in ("IsotonicRegression", "LogisticRegression")


def test_a_version_says_what_it_was_made_of(unchanged):
    card = unchanged.load(2).card
    tags = unchanged.find(2).tags
    assert (tags["trained_from"], tags["trained_to"]) == ("2013-01-01", "2013-02-09") == card.trained[:2]
    assert tags["git_commit"] == card.commit
    assert tags["data_digest"] == digest(TRAINING.features, TRAINING.target)
    metrics = unchanged.client.get_run(unchanged.find(2).run_id).data.metrics
    for name, interval in card.evaluation.intervals().items():
        assert (metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"]) == pytest.approx(interval)


def test_the_card_is_written_for_people(unchanged):
    text = model_file(unchanged, 2, "card.md").read_text("utf-8")
    card = unchanged.load(2).card
    assert f"| brier | {card.evaluation.brier} |" in text
    assert "Trained on 2013-01-01 to 2013-02-09, 2,000 flights" in text
    assert "probability of 0.167: a false alarm is taken to cost 1 euros, a miss 5" in text
    assert Card.from_json(card.to_json()) == card


def test_the_usual_values_come_from_the_training(unchanged):
    usual = unchanged.load(1).typical
    assert usual["wind_speed"] == TRAINING.features.wind_speed.median()
    assert usual["carrier"] == TRAINING.features.carrier.mode()[0]


def test_a_test_must_come_after_the_training():
    model = candidate("base_rate")[0]
    with pytest.raises(ValueError, match="test on days that come later"):
        make_card(model, TRAINING, TRAINING)


def test_too_good_to_be_true_is_not_logged(unchanged):
    model, _ = candidate("base_rate")
    leaky = Sample(TEST.features.assign(wind_speed=TEST.target.astype(float)), TEST.target, TEST.days)
    leak = Sample(TRAINING.features.assign(wind_speed=TRAINING.target.astype(float)), TRAINING.target, TRAINING.days)
    model = train("boosting", leak.features, leak.target)
    with pytest.raises(TooGoodToBeTrue):
        unchanged.log(model, make_card(model, leak, leaky, n_boot=20))
    assert unchanged.versions() == ["1", "2", "3"]


# The digest


def test_the_digest_follows_the_values_and_nothing_else():
    features, target, _ = TRAINING
    own = digest(features, target)
    assert own == digest(features.astype({"carrier": "str"}).reset_index(drop=True), target.to_numpy())
    assert own == digest(features.assign(origin=features.origin.cat.add_categories("LGA")), target)
    changed = features.assign(wind_speed=features.wind_speed.where(features.index != 7, 99.0))
    assert len({own, digest(changed, target), digest(features, ~target), digest(features[::-1], target)}) == 4


def test_the_digest_is_the_same_on_any_machine():
    features = pd.DataFrame({"carrier": ["UA"], "temp": [np.nan]})
    assert digest(features, [True]) == "4f88ef1cc2eb3f1db8d25d9b75c7a00c221a50984e2c90767c49276bb89855b4"


def test_every_nan_and_both_zeros_are_one_value_to_the_digest():
    other_nan = np.array([0x7FF8000000000001], "uint64").view("float64")[0]
    values = [(np.nan, 0.0), (-np.nan, -0.0), (other_nan, 0.0)]
    digests = {digest(pd.DataFrame({"temp": pair}), [True, False]) for pair in values}
    assert len(digests) == 1


def test_the_commit_is_named_and_outside_of_git_it_is_unknown(monkeypatch):
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?|unknown", git_commit())
    monkeypatch.setenv("GIT_DIR", os.devnull)
    assert git_commit() == "unknown"


# Tampering


@pytest.mark.parametrize("name", [MODEL_FILE, CARD])
def test_a_changed_file_is_refused(registry, name):
    path = model_file(registry, 2, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RegistryError, match=rf"version 2: .*{name} is not the file that was registered") as error:
        registry.load(2)
    assert "\n" not in str(error.value)
    with pytest.raises(RegistryError, match="is not the file"):
        registry.promote(2)
    assert registry.load(1).version == "1"


def test_a_torn_or_missing_file_is_refused(registry):
    path = model_file(registry, 2)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RegistryError, match="is not the file"):
        registry.load(2)
    path.unlink()
    with pytest.raises(RegistryError, match="is not the file"):
        registry.load(2)


def test_a_file_that_would_run_code_is_refused_even_with_the_right_sum(registry):
    path = model_file(registry, 2)
    content = skops.io.dumps({"model": os.path.join})
    path.write_bytes(content)
    sums = json.loads(registry.find(2).tags["sha256"]) | {MODEL_FILE: module.hashlib.sha256(content).hexdigest()}
    registry.client.set_model_version_tag(module.NAME, "2", "sha256", json.dumps(sums))
    with pytest.raises(RegistryError, match="holds what this registry does not write"):
        registry.load(2)


def test_nothing_is_trusted_that_no_model_needs():
    needed = set()
    for name in MADE:
        model = candidate(name)[0]
        for method in ("isotonic", "sigmoid"):
            content = skops.io.dumps(calibrate(model, LATER.features, LATER.target, method))
            needed |= set(skops.io.get_untrusted_types(data=content))
    assert needed == set(TRUSTED)


# The champion


def test_without_a_champion_one_line_says_what_to_do(unchanged):
    with pytest.raises(RegistryError, match=r"there is no 'champion' in the registry .* train a model and promote it"):
        unchanged.champion()
    with pytest.raises(RegistryError, match=r"there is no 9 in the registry .* take one of \['1', '2', '3'\]"):
        unchanged.promote(9)
    with pytest.raises(RegistryError, match="no earlier champion"):
        unchanged.rollback()


def test_promotion_moves_the_champion_and_ends_the_challenge(registry):
    assert registry.challenger().version == "3"
    registry.promote(1)
    assert (registry.champion().version, registry.challenger().version) == ("1", "3")
    registry.promote("3")
    assert (registry.champion().version, registry.challenger()) == ("3", None)
    assert registry.load("champion") is registry.load(3)


def test_a_file_that_is_damaged_after_it_was_read_is_not_promoted(registry):
    registry.load(2)
    model_file(registry, 2).write_bytes(b"")
    with pytest.raises(RegistryError, match="is not the file"):
        registry.promote(2)


def test_promoting_the_champion_changes_nothing(registry):
    for version in (1, 2, 2, 2):
        registry.promote(version)
    assert registry.champions() == ["1", "2"]
    assert registry.rollback() == "1"


def test_rollback_goes_back_step_by_step(registry):
    for version in (1, 2, 1, 3):
        registry.promote(version)
    assert [registry.rollback() for _ in range(3)] == ["1", "2", "1"]
    with pytest.raises(RegistryError, match="no earlier champion"):
        registry.rollback()
    assert registry.champion().version == "1"
    assert "rolled_back_at" in registry.find(3).tags


def test_two_who_react_to_one_alarm_take_one_step(registry):
    for version in (1, 2, 3):
        registry.promote(version)
    assert [registry.rollback(bad=3) for _ in range(2)] == ["2", "2"]
    assert registry.champions() == ["1", "2"]


def test_another_process_follows_without_opening_again(registry):
    service = Registry(registry.folder)
    registry.promote(1)
    assert service.champion().version == "1"
    registry.promote(2)
    assert service.champion().version == "2"
    registry.rollback()
    assert service.champion().version == "1"


def test_asking_for_the_champion_is_quick(registry):
    registry.promote(1)
    registry.champion()
    seconds = []
    for _ in range(30):
        start = time.process_time()
        registry.champion()
        seconds.append(time.process_time() - start)
    assert np.median(seconds) < 0.02


def test_few_versions_stay_in_memory(registry):
    for version in (1, 2, 3):
        registry.load(version)
    registry.load(registry.log(*candidate("base_rate")))
    assert list(registry.loaded) == ["2", "3", "4"]


@pytest.mark.parametrize("step", ["set_registered_model_alias", "set_registered_model_tag"])
@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_crash_between_two_writes_leaves_one_champion(registry, monkeypatch, step, action):
    for version in (1, 2):
        registry.promote(version)

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(registry.client, step, crash)
        registry.promote(3) if action == "promote" else registry.rollback()
    after = Registry(registry.folder)
    assert after.champions()[-1] == after.champion().version
    assert after.champions() == (["1", "2"] if (action, step[-3:]) != ("rollback", "tag") else ["1"])
    after.promote(3)
    assert after.rollback() == after.champion().version


def test_processes_that_promote_at_once_leave_one_history(registry):
    """Another process promotes in turns while this one does: nobody fails, and no promotion is lost or half done."""
    program = """
import sys
from helpers.disruption.registry import Registry
registry = Registry(sys.argv[1])
print("ready", flush=True)
for _ in range(5):
    for version in (1, 2):
        registry.promote(version)
"""
    command = [sys.executable, "-c", program, str(registry.folder)]
    own = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        while other.poll() is None:
            own += 1
            registry.promote(3)
            assert registry.champion().version in ("1", "2", "3")
    assert (other.returncode, own > 0) == (0, True)
    history = registry.champions()
    assert all(before != after for before, after in itertools.pairwise(history))
    # The other process never promotes the present champion, since it takes turns: each of its ten steps counts.
    assert len([version for version in history if version != "3"]) == 10
    assert history[-1] == registry.champion().version


def test_a_busy_registry_says_so(registry, monkeypatch):
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    with module.FileLock(registry.folder / "registry.lock"), pytest.raises(RegistryError, match="wait for the other"):
        registry.promote(1)


def test_nothing_is_asked_of_the_network_and_nothing_told(registry):
    program = (
        "import sys, socket\n"
        "from helpers.disruption.registry import Registry\n"
        "def refuse(*arguments): raise SystemExit('the network was asked')\n"
        "socket.socket.connect = refuse\n"
        "Registry(sys.argv[1]).promote(1)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(registry.folder)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
