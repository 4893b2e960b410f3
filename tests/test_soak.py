"""A service that is killed in the middle of its work loses nothing that it answered: `make soak`, in short."""

import multiprocessing
import sys
from pathlib import Path

import pytest

from helpers.disruption.store import Store
from tests.test_store import prediction

ROOT = Path(__file__).parents[1]


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch):
    """tools/soak.py as a module; tools/ is a folder of scripts and no package."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import soak

    yield soak
    sys.modules.pop("soak")


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="kill -9 is a thing of POSIX")
def test_nothing_that_was_answered_is_lost_when_the_service_is_killed(soak, tmp_path, capsys):
    assert soak.soak(tmp_path, seconds=9, every=3, days=6) == []
    said = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert 1 <= int(said["kills"]) <= 3  # on a busy machine a start takes longer than the time between two kills
    assert int(said["predictions answered"].replace(",", "")) >= 20


def test_whatever_is_lost_doubled_or_changed_is_named(soak, tmp_path):
    store = Store(tmp_path / "store.db")
    store.add_model_version("1", "boosting", 1 / 6)
    store.add_predictions([prediction(1, "kept", probability=0.5), prediction(2, "doubled")])
    kept, lost = {"prediction_id": "p1", "probability": 0.5}, {"prediction_id": "p9", "probability": 0.5}
    told = {"kept": kept, "never stored": lost, "doubled": lost}
    book = soak.Book(told, taken_in={"an event"}, changed=["kept"], faults=["answered 500"])
    assert soak.report(book, store, kills=0) == [
        "answered and not stored: never stored, doubled",
        "stored twice: UA1545-EWR-20130701T1800Z",
        "answered differently the second time: kept",
        "taken in and not stored: an event",
        "refused or left alone: answered 500",
    ]
    store.close()


def test_a_second_answer_must_be_in_the_words_of_the_first(soak):
    job, book = soak.Job(soak.ONE, {}, {}, ["key"]), soak.Book()
    for probability in (0.1, 0.1, 0.2):
        book.note(job, {"probability": probability})
    assert (book.changed, book.requests) == (["key"], 3)
