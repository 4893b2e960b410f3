"""What the answers to the exercises of lesson 52 must do."""

import hashlib
import json
import math
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, type_name


def sha256(content: bytes) -> str:
    """The name of some bytes."""
    return hashlib.sha256(content).hexdigest()


# 52.1: a folder named by its content

Tree = dict[str, Any]  # from name to bytes (a file) or to a tree (a folder)


@check("52.1")
def check_tree_digest(tree_digest, rng: Generator) -> None:
    """Name trees that differ in one thing, then compare with the rule applied to dicts."""
    base = _tree(rng)
    own = _digest_of(tree_digest, base)
    assert own == _digest_of(tree_digest, dict(reversed(base.items()))), (
        "The same files, written in another order, get another name: sort the entries, whatever order the system "
        "lists them in. (Or does the place of the folder, or the time of a file, come in?)"
    )
    for other, what in _others(base):
        assert own != _digest_of(tree_digest, other), f"{what}, and the folder keeps its name."
    for tree, what in ((base, "a folder with folders in it"), ({}, "an empty folder"), (_flat(rng), "a flat folder")):
        found = _digest_of(tree_digest, tree)
        assert found == _named(tree), (
            f"The name of {what} is not the one of the task: {found[:12]}... Look at the line of an entry (kind, "
            "digest, name without the path, newline), at the order of the lines, and at the encoding."
        )


def _digest_of(tree_digest: Callable, tree: Tree) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "folder")
        _write(folder, tree)
        found = tree_digest(folder)
    assert isinstance(found, str) and len(found) == 64, (
        f"Return the name of the folder, a text of 64 hex digits: this is {type_name(found)}."
    )
    return found


def _write(folder: Path, tree: Tree) -> None:
    folder.mkdir()
    for name, content in tree.items():
        _write(folder / name, content) if isinstance(content, dict) else (folder / name).write_bytes(content)


def _named(tree: Tree) -> str:
    """The rule of the task, on a dict."""
    lines = ""
    for name in sorted(tree):
        content = tree[name]
        inside = isinstance(content, dict)
        digest = _named(content) if inside else sha256(content)
        lines += f"{'folder' if inside else 'file'} {digest} {name}\n"
    return sha256(lines.encode())


def _tree(rng: Generator) -> Tree:
    one, two, three = (rng.bytes(int(rng.integers(5, 40))) for _ in range(3))
    return {
        "b.txt": one,
        "a.txt": two,
        "a-1.txt": one,
        ".hidden": one,
        "Zürich.csv": b"\r\n" + three,
        "data": {"a.txt": three, "data": {"deep.txt": one}, "empty": {}},
        "data.txt": two,
        "empty.txt": b"",
    }


def _flat(rng: Generator) -> Tree:
    return {f"{number}.txt": rng.bytes(8) for number in rng.permutation(12)}


def _others(base: Tree) -> list[tuple[Tree, str]]:
    """Trees that differ from `base` in one thing."""
    inner = base["data"]
    swapped = base | {"a.txt": base["b.txt"], "b.txt": base["a.txt"]}
    renamed = {("c.txt" if name == "b.txt" else name): content for name, content in base.items()}
    moved = _without(base, "b.txt")
    deep = {"deep.txt": inner["data"]["deep.txt"] + b"!"}
    return [
        (base | {"a.txt": base["a.txt"][:-1]}, "A file has lost its last byte"),
        (renamed, "A file has another name"),
        (swapped, "Two files have exchanged their content"),
        (base | {"data": inner | {"data": deep}}, "A file two folders down has changed"),
        (moved | {"data": inner | {"b.txt": base["b.txt"]}}, "A file has moved into a folder"),
        (_without(base, ".hidden"), "A file whose name begins with a dot is gone"),
        (_without(base, "empty.txt"), "An empty file is gone"),
        (base | {"data": _without(inner, "empty")}, "An empty folder is gone"),
        (base | {"data": inner | {"empty": b""}}, "An empty folder has become an empty file"),
    ]


def _without(tree: Tree, lost: str) -> Tree:
    return {name: content for name, content in tree.items() if name != lost}


# 52.2: a content store


class PowerCut(Exception):
    """The power went in the middle of an operation."""


class Disk:
    """Bytes under names; the power is cut in operation number `fails_at` (0 is the first) that writes.

    `lied` is the length of what once lay under a hash that is not its own, None when that never was.
    """

    def __init__(self) -> None:
        """Empty, with power."""
        self.files: dict[str, bytes] = {}
        self.written = 0
        self.fails_at: int | None = None
        self.dead = False
        self.lied: int | None = None

    def exists(self, name: str) -> bool:
        """Whether something lies under the name."""
        self._needs_power()
        return name in self.files

    def read(self, name: str) -> bytes:
        """What lies under the name. Raises KeyError when nothing does."""
        self._needs_power()
        return self.files[name]

    def write(self, name: str, content: bytes) -> None:
        """Put bytes under the name; a power cut leaves the first half of them."""
        if self._cut():
            self._keep(name, content[: len(content) // 2])
            raise PowerCut
        self._keep(name, content)

    def rename(self, old: str, new: str) -> None:
        """Give what lies under `old` the name `new`; after a power cut nothing has happened."""
        if self._cut():
            raise PowerCut
        self._keep(new, self.files.pop(old))

    def restart(self) -> None:
        """Power again."""
        self.dead, self.fails_at, self.written = False, None, 0

    def _keep(self, name: str, content: bytes) -> None:
        self.files[name] = bytes(content)
        if _is_hash(name) and sha256(content) != name:
            self.lied = len(content)

    def _cut(self) -> bool:
        self._needs_power()
        self.dead = self.written == self.fails_at
        self.written += 1
        return self.dead

    def _needs_power(self) -> None:
        if self.dead:
            raise PowerCut


@check("52.2")
def check_content_store(content_store, rng: Generator) -> None:
    """Put, get, cut the power at each step, and let the disk rot."""
    content, other = rng.bytes(60), rng.bytes(61)
    for some in (content, b""):
        _assert_keeps(content_store, some, other)
    _assert_writes_once(content_store, content)
    for damaged in (content[:30], b"", other[:60], other):
        for fresh in (True, False):
            _assert_notices_damage(content_store, content, damaged, fresh)
    for before in ("nothing", "another content", "a damaged copy"):
        for step in range(4):
            _assert_survives_a_cut(content_store, content, other, before, step)


def _pair(content_store: Callable, disk: Disk) -> tuple[Callable, Callable]:
    """The learner's put and get."""
    pair = content_store(disk)
    assert isinstance(pair, tuple | list) and len(pair) == 2 and all(map(callable, pair)), (
        f"Return two functions, put and get: this is {type_name(pair)}."
    )
    return pair[0], pair[1]


def _assert_keeps(content_store: Callable, content: bytes, other: bytes) -> None:
    disk = Disk()
    names = [_pair(content_store, disk)[0](some) for some in (content, other)]
    for name, some in zip(names, (content, other), strict=True):
        assert name == sha256(some), f"put returned {name!r}: return the sha256 of the bytes, as hex digits."
        assert disk.files.get(name) == some, (
            "After put, the bytes do not lie on the disk under their hash: other tools look for them there."
        )
        found = _pair(content_store, disk)[1](name)
        assert found == some, f"A new store on the same disk gives {type_name(found)} that is not what was put."
    get = _pair(content_store, disk)[1]
    _assert_raises_rightly(get, sha256(b"never put"), KeyError, "get of a name under which nothing lies")


def _assert_raises_rightly(get: Callable, name: str, right: type[Exception], what: str) -> None:
    try:
        get(name)
    except right:
        return
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__}: it has to be {right.__name__}.") from None
    raise AssertionError(f"{what} raised nothing: it has to raise {right.__name__}.")


def _assert_writes_once(content_store: Callable, content: bytes) -> None:
    disk = Disk()
    _pair(content_store, disk)[0](content)
    disk.written = 0
    _pair(content_store, disk)[0](content)
    assert disk.written == 0, (
        f"Putting what is there already in good order took {disk.written} operations that write: it should take none."
    )


def _assert_notices_damage(content_store: Callable, content: bytes, damaged: bytes, fresh: bool) -> None:
    """Damage that a store finds when it is made, or (not `fresh`) that comes while it is in use."""
    disk, name = Disk(), sha256(content)
    put, get = _pair(content_store, disk)
    if not fresh:
        put(content)
    disk.files[name] = damaged
    what = f"Under a hash lie {len(damaged)} bytes that are not what the hash says, and get"
    _assert_raises_rightly(get, name, ValueError, f"Verify what you read. {what}")
    put(content)
    assert disk.files[name] == content, (
        "A damaged copy lay under the hash, the right bytes were put, and the damage is still there: that something "
        "exists, has the right length or was put before does not mean that it is in good order."
    )


def _assert_survives_a_cut(content_store: Callable, content: bytes, other: bytes, before: str, step: int) -> None:
    disk, name = Disk(), sha256(content)
    if before == "another content":
        _pair(content_store, disk)[0](other)
    if before == "a damaged copy":
        disk.files[name] = other
    disk.written, disk.fails_at = 0, step
    with suppress(PowerCut):
        _pair(content_store, disk)[0](content)
        assert not disk.dead, "The power was cut in the middle of put, and put returned: let the exception pass."
    disk.restart()
    for path, kept in disk.files.items():
        rotten_before = before == "a damaged copy" and path == name and kept == other
        assert rotten_before or not _is_hash(path) or sha256(kept) == path, (
            f"The power was cut, and now {len(kept)} bytes lie under a hash of {len(content)}: what others may read "
            "must never be half written. A rename is all or nothing."
        )
    _pair(content_store, disk)[0](content)
    assert disk.files.get(name) == content, (
        "After a power cut, the same put again does not bring the bytes to the disk."
    )
    assert disk.lied is None, (
        f"For a moment {disk.lied} bytes lay under a hash that is not theirs, and somebody may read at that moment: "
        "what a power cut left under another name may be a half, so do not rename it without a look."
    )
    assert before != "another content" or disk.files.get(sha256(other)) == other, (
        "A power cut in one put has cost the bytes of another."
    )


def _is_hash(path: str) -> bool:
    return len(path) == 64 and set(path) <= set("0123456789abcdef")


# 52.3: lineage


@check("52.3")
def check_lineage(lineage, rng: Generator) -> None:
    """Walk back from every prediction of a small history, then with each link missing once."""
    tables = _history(rng)
    for prediction_id in tables["predictions"].prediction_id:
        found = lineage(prediction_id, **_copies(tables))
        assert isinstance(found, dict), f"Return a dict: this is {type_name(found)}."
        expected = _slow_lineage(prediction_id, tables)
        missing = expected.keys() - found.keys()
        assert not missing, f"The dict lacks {', '.join(sorted(missing))}."
        for name, value in expected.items():
            got = list(found[name]) if name == "sources" else found[name]
            assert got == value, _misled(name, got, value, expected, tables)
    for table, key, wanted in _links(tables):
        _assert_names_the_gap(lineage, tables, table, key, wanted)


def _misled(name: str, got: object, value: object, expected: dict, tables: dict[str, pd.DataFrame]) -> str:
    if name == "sources":
        return (
            f"The sources of {expected['dataset']} came out as {got}: follow made_from over all steps down to the "
            "data sets that were made from nothing, each once, in alphabetical order."
        )
    if name == "reproducible":
        kept = tables["datasets"].set_index("digest").kept
        gone = [digest for digest in expected["sources"] if not kept[digest]]
        return (
            f"The commit is {expected['commit']}, sources that are gone: {gone or 'none'}. Your answer to whether "
            f"that can be made again is {got}."
        )
    return f"{name} came out as {got!r}: walk from the prediction to its own version, and from there to the run."


def _assert_names_the_gap(lineage: Callable, tables: dict, table: str, key: str, wanted: tuple) -> None:
    prediction_id, lost = wanted
    cut = _copies(tables)
    cut[table] = cut[table][cut[table][key] != lost]
    try:
        lineage(prediction_id, **cut)
    except LookupError as error:
        assert re.search(rf"(?<![0-9a-z]){lost}(?![0-9a-z])", str(error)), (
            f"{key} {lost} is missing, and the error says {str(error)!r}: name the missing id, so that somebody can "
            "find who lost it."
        )
    except Exception as error:
        raise AssertionError(
            f"{key} {lost} is missing from {table}, and {type(error).__name__} was raised: a missing link is a "
            "LookupError that names it."
        ) from None
    else:
        raise AssertionError(f"{key} {lost} is missing from {table}, and nothing was raised.")


def _links(tables: dict[str, pd.DataFrame]) -> list[tuple[str, str, tuple]]:
    """For each table and key: a prediction whose chain needs a row, and the row's id."""
    asked = tables["predictions"].prediction_id.iloc[-1]
    chain = _slow_lineage(asked, tables)
    return [
        ("predictions", "prediction_id", (asked, asked)),
        ("versions", "version", (asked, chain["version"])),
        ("runs", "run_id", (asked, chain["run_id"])),
        ("datasets", "digest", (asked, chain["dataset"])),
        ("datasets", "digest", (asked, chain["sources"][0])),
    ]


def _copies(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {name: table.copy() for name, table in tables.items()}


def _slow_lineage(prediction_id: str, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    predictions, versions, runs, datasets = (table.to_dict("records") for table in tables.values())
    version = next(int(row["version"]) for row in predictions if row["prediction_id"] == prediction_id)
    run_id = next(row["run_id"] for row in versions if row["version"] == version)
    run = next(row for row in runs if row["run_id"] == run_id)
    by_digest = {row["digest"]: row for row in datasets}

    def sources(digest: str) -> set[str]:
        parents = by_digest[digest]["made_from"]
        return set().union(*map(sources, parents)) if parents else {digest}

    found = sorted(sources(run["dataset"]))
    clean = not run["commit"].endswith("-dirty") and run["commit"] != "unknown"
    return {
        "version": version,
        "run_id": run_id,
        "commit": run["commit"],
        "dataset": run["dataset"],
        "sources": found,
        "reproducible": clean and all(by_digest[digest]["kept"] for digest in found),
    }


def _history(rng: Generator) -> dict[str, pd.DataFrame]:
    """Twelve versions in no order; data sets in five layers that share sources; two sources and some others gone."""
    hexes = [rng.bytes(4).hex() for _ in range(40)]
    sources, middle, top, deep = hexes[:6], hexes[6:12], hexes[12:18], hexes[18:20]
    gone = set(sources[:2]) | set(middle[:3]) | set(top[:4])
    made_from = {digest: [] for digest in sources}
    made_from |= {digest: list(rng.choice(sources, 2, replace=False)) for digest in middle[1:]}
    made_from[middle[0]] = sources[3:5]  # gone itself, and its sources are kept
    made_from |= {digest: [*rng.choice(middle, 2, replace=False), rng.choice(sources)] for digest in top[1:]}
    made_from[top[0]] = [middle[0], sources[4]]
    made_from |= {deep[0]: [top[4]], deep[1]: [deep[0], rng.choice(sources)]}
    rows = [{"digest": d, "made_from": [str(p) for p in p], "kept": d not in gone} for d, p in made_from.items()]
    datasets = pd.DataFrame(rows).sample(frac=1, random_state=rng).reset_index(drop=True)
    numbers = list(range(1, 13))
    learnt = [*top, *deep, sources[5], middle[0], top[0], top[0]]
    ends = ["", "-dirty", "", "", "", "", "", "", "", "", "-dirty", ""]
    commits = [rng.bytes(20).hex() + end for end in ends]
    commits[11] = "unknown"
    commits[8] = "dirty0" + commits[8][6:]
    run_ids = [rng.bytes(6).hex() for _ in numbers]
    runs = pd.DataFrame({"run_id": run_ids, "commit": commits, "dataset": learnt})
    versions = pd.DataFrame({"version": numbers, "run_id": run_ids}).sample(frac=1, random_state=rng)
    asked = [*rng.permutation(numbers), 1]
    predictions = pd.DataFrame(
        {"prediction_id": [f"p{rng.bytes(3).hex()}{place}" for place in range(13)], "version": map(str, asked)}
    )
    runs = runs.sample(frac=1, random_state=rng)
    return {"predictions": predictions, "versions": versions, "runs": runs, "datasets": datasets}


# 52.4: a pipeline that is never stale


class Failed(Exception):
    """A stage did not run to its end."""


class Pipeline:
    """Three stages that count how often they run; `features` rounds, so that small changes stop there."""

    def __init__(self, rng: Generator) -> None:
        """Some numbers, and nothing made of them yet."""
        raw = [int(value) for value in rng.integers(0, 1000, 30)]
        self.files = {"raw": _json(raw), "names": b'["a", "b"]', "codes": b"[1, 2]"}
        self.params = {"window": int(rng.integers(15, 25)), "depth": int(rng.integers(2, 9)), "unused": 1}
        self.lock: dict = {}
        self.fails: str | None = None
        self.given: dict[str, tuple[list[str], list[str]]] = {}
        self.code = {"features": "v1", "train": "v1", "report": "v1"}

    def stages(self) -> dict[str, dict[str, Any]]:
        """The stages as the task describes them."""
        return {
            "features": self._stage("features", ["raw"], ["window"], ["tens"], self._features),
            "train": self._stage("train", ["tens", "names", "codes"], ["depth"], ["model", "log"], self._train),
            "report": self._stage("report", ["model"], [], ["page"], self._report),
        }

    def call(self, repro: Callable) -> list[str]:
        """The stages that ran; the lock goes through a JSON file."""
        try:
            ran = repro(self.stages(), self.files, dict(self.params), self.lock)
        finally:
            self.lock = _through_json(self.lock)
        assert isinstance(ran, list | tuple), f"Return the names of the stages that ran: this is {type_name(ran)}."
        return list(ran)

    def _stage(self, name: str, deps: list[str], params: list[str], outs: list[str], work: Callable) -> dict[str, Any]:
        def run(files: dict[str, bytes], values: dict[str, Any]) -> dict[str, bytes]:
            self.given[name] = sorted(files), sorted(values)
            if self.fails == name:
                raise Failed(name)
            return work(files, values)

        return {"code": self.code[name], "deps": deps, "params": params, "outs": outs, "run": run}

    def _features(self, files: dict[str, bytes], values: dict[str, Any]) -> dict[str, bytes]:
        return {"tens": _json([value // 10 for value in json.loads(files["raw"])][: values["window"]])}

    def _train(self, files: dict[str, bytes], values: dict[str, Any]) -> dict[str, bytes]:
        model = _json([sum(json.loads(files["tens"])), values["depth"]])
        return {"model": model, "log": b"trained"}

    def _report(self, files: dict[str, bytes], values: dict[str, Any]) -> dict[str, bytes]:
        return {"page": b"<p>" + files["model"]}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _through_json(lock: dict) -> dict:
    try:
        return json.loads(json.dumps(lock))
    except TypeError as error:
        raise AssertionError(f"The lock cannot be written to a JSON file: {error}.") from None


EVERYTHING = ["features", "train", "report"]


@check("52.4")
def check_repro(repro, rng: Generator) -> None:
    """Change one thing after the other, and see which stages run."""
    pipeline = Pipeline(rng)
    ran = pipeline.call(repro)
    assert ran == EVERYTHING, f"At the first call every stage has to run: these ran: {ran}."
    assert pipeline.files["page"] == b"<p>" + pipeline.files["model"], "The files do not hold what the stages wrote."
    _assert_ran(pipeline, repro, [], "Nothing has changed since the last call")
    for name, deps, params in (("features", ["raw"], ["window"]), ("train", ["codes", "names", "tens"], ["depth"])):
        assert pipeline.given[name] == (deps, params), (
            f"{name} was given the files {pipeline.given[name][0]} and the params {pipeline.given[name][1]}: give it "
            f"what it declares, {deps} and {params}, and nothing else."
        )
    for change, expected, what in _changes(pipeline):
        change()
        _assert_ran(pipeline, repro, expected, what)
        _assert_ran(pipeline, repro, [], f"{what}, and that was dealt with in the call before")
    _assert_a_failure_is_tried_again(Pipeline(rng), repro)
    _assert_a_late_failure_keeps_the_rest(Pipeline(rng), repro)


def _assert_ran(pipeline: Pipeline, repro: Callable, expected: list[str], what: str) -> None:
    ran = pipeline.call(repro)
    forgotten = [name for name in expected if name not in ran]
    assert not forgotten, (
        f"{what}, and {forgotten[0]} did not run: its result is stale. Does what you compare hold everything that "
        "the result depends on, and that the result is still there?"
    )
    needless = [name for name in ran if name not in expected]
    assert not needless, f"{what}, and {needless[0]} ran: nothing that it depends on is different."
    assert ran == expected, f"{what}: the stages ran as {ran}, each has to be named once and in order."


def _changes(pipeline: Pipeline) -> list[tuple[Callable[[], None], list[str], str]]:
    """Each change with the stages that must run after it, and its words."""
    files, params, code = pipeline.files, pipeline.params, pipeline.code
    raw = json.loads(files["raw"])
    smaller = [value - value % 10 for value in raw]  # the same tens
    other = [raw[0] + 10, *raw[1:]]
    return [
        (lambda: params.update(depth=params["depth"] + 1), ["train", "report"], "The param depth has changed"),
        (lambda: params.update(depth=str(params["depth"])), ["train", "report"], "The param depth has become a text"),
        (lambda: params.update(unused=2), [], "A param that no stage reads has changed"),
        (lambda: files.update(raw=_json(smaller)), ["features"], "raw has changed, and its tens are the same"),
        (lambda: files.update(raw=_json(other)), EVERYTHING, "raw has changed"),
        (lambda: params.update(window=params["window"] - 5), EVERYTHING, "The param window has changed"),
        (lambda: code.update(train="v2"), ["train"], "The code of train has changed, and its outs come out the same"),
        (lambda: files.pop("log"), ["train"], "The file log is missing"),
        (lambda: files.update(model=b"[0, 0]"), ["train"], "Somebody has edited the file model"),
        (lambda: files.pop("page"), ["report"], "The file page is missing"),
        (lambda: files.update(names=b'["c"]'), ["train"], "names has changed"),
        (
            lambda: files.update(names=files["codes"], codes=files["names"]),
            ["train"],
            "names and codes have exchanged their content",
        ),
        (lambda: pipeline.lock.clear(), EVERYTHING, "The lock is empty, as on another machine"),
    ]


def _assert_a_failure_is_tried_again(pipeline: Pipeline, repro: Callable) -> None:
    pipeline.fails = "train"
    _assert_raises(pipeline, repro)
    pipeline.fails = None
    try:
        ran = pipeline.call(repro)
    except KeyError:  # of a file that train did not write again
        ran = []
    assert "train" in ran, (
        "train failed in the last call, and now it does not run: it counts as run only when it has run to its end."
    )
    assert ran == ["train", "report"], (
        f"features had run to its end before train failed, and the next call ran {ran}: what is done stays done."
    )


def _assert_a_late_failure_keeps_the_rest(pipeline: Pipeline, repro: Callable) -> None:
    pipeline.call(repro)
    pipeline.fails, before = "train", pipeline.params["depth"]
    pipeline.params["depth"] = before + 1
    _assert_raises(pipeline, repro)
    pipeline.fails, pipeline.params["depth"] = None, before
    what = "train failed with a new depth, and is called with the old one, whose result is still there"
    _assert_ran(pipeline, repro, [], what)
    pipeline.fails, pipeline.params["depth"] = "train", before + 1
    _assert_raises(pipeline, repro)
    pipeline.fails = None
    _assert_ran(pipeline, repro, ["train", "report"], "train failed with a new depth, and is called with it again")


def _assert_raises(pipeline: Pipeline, repro: Callable) -> None:
    try:
        pipeline.call(repro)
    except Failed:
        return
    raise AssertionError("The run of a stage raised, and repro returned as if it had not: let the error pass.")


# 52.5: the commit that broke the model


class Bench:
    """Scores of commits by day; counts what is asked."""

    def __init__(self, rng: Generator, commits: list[str], guilty: int, harm: float, noise: float, days: int) -> None:
        """`noise` is the standard deviation of a change between two commits on one day, in units of the harm."""
        self.commits = commits
        self.days = [f"day {number}" for number in range(days)]
        self.asked: list[tuple[str, str]] = []
        level = 0.14 + 8 * harm * rng.normal(size=days)
        own = harm * noise * rng.normal(size=(len(commits), days))
        own += harm * 0.1 * rng.uniform(-1, 1, size=(len(commits), 1))  # each commit does a little
        own[0] = 0
        broken = harm * (np.arange(len(commits)) >= guilty)[:, None]
        self.scores = pd.DataFrame(level + own + broken, commits, self.days)

    def score(self, commit: str, day: str) -> float:
        """The Brier score of a commit on a day."""
        assert commit in self.scores.index and day in self.days, f"score was asked for {commit!r} on {day!r}."
        self.asked.append((commit, day))
        return float(self.scores.at[commit, day])

    @property
    def allowed(self) -> int:
        """How many calls the task grants."""
        return len(self.days) * (1 + math.ceil(math.log2(len(self.commits) - 1)))


@check("52.5")
def check_find_broken(find_broken, rng: Generator) -> None:
    """Plant the fault in each place of three and in many of thirty; then make the days too few."""
    for count in (3, 3, 3, 3, 30, 17, 1, 2):
        for guilty in range(1, count + 1) if count == 3 else [int(rng.integers(1, count + 1))]:
            bench = Bench(rng, _names(rng, count), guilty, float(rng.uniform(0.002, 0.006)), 0.2, 20)
            _assert_finds(find_broken, bench, bench.commits[guilty])
    for days in (6, 20):
        for errors in (1.4, 2.85, 3.15):
            for guilty in (1, 2, 3):
                _assert_knows_its_limits(find_broken, rng, days, errors, guilty)


def _names(rng: Generator, count: int) -> list[str]:
    return [rng.bytes(4).hex() for _ in range(count + 1)]


def _assert_finds(find_broken: Callable, bench: Bench, guilty: str) -> None:
    harm = float((bench.scores.iloc[-1] - bench.scores.iloc[0]).mean())
    found = find_broken(list(bench.commits), list(bench.days), bench.score, harm)
    _assert_is_a_commit(found, bench)
    assert len(bench.asked) <= bench.allowed, (
        f"With {len(bench.commits) - 1} commits and {len(bench.days)} days you asked {len(bench.asked)} times, and "
        f"{bench.allowed} are granted: each look has to halve what is left, and the first commit is scored once a day."
    )
    place = bench.commits.index
    assert found is not None, (
        f"Of {len(bench.commits) - 1} commits one did it, the days are enough to tell, and you returned None. Compare "
        "each day with the same day of the first commit: the change is what carries the harm, and the standard error "
        "is that of the changes."
    )
    assert found == guilty, (
        f"Commit number {place(guilty)} of {len(bench.commits) - 1} broke the model, and number {place(found)} is "
        "accused. Days differ by far more than the harm: compare on the same days, and keep the last sound and the "
        "first broken commit apart."
    )


def _assert_is_a_commit(found: object, bench: Bench) -> None:
    assert found is None or found in bench.commits[1:], (
        f"Return the name of one of the commits after the first, or None: this is {found!r}."
    )


def _assert_knows_its_limits(find_broken: Callable, rng: Generator, days: int, errors: float, guilty: int) -> None:
    """Three commits whose mean change lies so many standard errors from the limit, on its right side."""
    harm = 0.004
    bench = Bench(rng, _names(rng, 3), guilty, harm, 1.0, days)
    for place in (1, 2):
        changes = bench.scores.iloc[place] - bench.scores.iloc[0]
        away = errors * changes.std(ddof=1) / math.sqrt(days) * (1 if place >= guilty else -1)
        bench.scores.iloc[place] += harm / 2 + away - changes.mean()
    found = find_broken(list(bench.commits), list(bench.days), bench.score, harm)
    _assert_is_a_commit(found, bench)
    if errors < 3:
        assert found is None, (
            f"{days} noisy days cannot tell a sound commit from a broken one: the limit lies within three standard "
            "errors of the mean of all days. You accuse a commit nevertheless. Return None instead of guessing."
        )
    else:
        assert found == bench.commits[guilty], (
            f"The mean of all days lies more than three standard errors from the limit, on {days} days, and the "
            f"answer is {'None' if found is None else 'another commit'}: look at the standard error and at the limit."
        )


# 52.6: the way back


@check("52.6")
def check_champions_after(champions_after, rng: Generator) -> None:
    """Replay the task's stories, then long random ones."""
    for moves, expected, what in _stories():
        _assert_replays(champions_after, moves, expected, what)
    for _ in range(40):
        moves = _moves(rng)
        _assert_replays(champions_after, moves, _slow_champions(moves), "A long history goes wrong")


def _assert_replays(champions_after: Callable, moves: list[tuple], expected: list, what: str) -> None:
    found = champions_after(list(moves))
    assert isinstance(found, list | tuple), f"Return a list of champions: this is {type_name(found)}."
    assert len(found) == len(moves), f"{len(moves)} moves and {len(found)} champions: one after each move."
    for place, (got, right) in enumerate(zip(found, expected, strict=True)):
        shown = ", ".join(f"{move} {version or ''}".strip() for move, version in moves[max(0, place - 5) : place + 1])
        assert got == right, f"{what}: after {'...' if place > 5 else ''}{shown} the champion is {got!r}."


def _stories() -> list[tuple[list[tuple[str, str | None]], list[str | None], str]]:
    def up(*versions: str) -> list[tuple[str, str | None]]:
        return [("promote", version) for version in versions]

    back = ("rollback", None)
    return [
        ([*up("1", "2", "3"), back, back], ["1", "2", "3", "2", "1"], "A second rollback goes one step further back"),
        ([*up("1"), back, back], ["1", "1", "1"], "With nothing before it the champion stays"),
        ([back, *up("1")], [None, "1"], "Without any champion there is nothing to go back to"),
        ([*up("1", "2", "2"), back], ["1", "2", "2", "1"], "Promoting the champion again changes nothing"),
        (
            [*up("1", "2", "3"), back, *up("4"), back],
            ["1", "2", "3", "2", "4", "2"],
            "What was taken back is not before",
        ),
        (
            [*up("1", "2", "3"), ("rollback", "3"), ("rollback", "3")],
            ["1", "2", "3", "2", "2"],
            "Two people react to one alarm, and only one step is to be taken",
        ),
        (
            [*up("1", "2", "3", "2"), ("withdraw", "3"), back],
            ["1", "2", "3", "2", "2", "1"],
            "A rollback must not end where it began",
        ),
        (
            [*up("1", "2", "3"), ("withdraw", "2"), back],
            ["1", "2", "3", "3", "1"],
            "A withdrawn version is never champion",
        ),
        ([*up("1", "2"), ("withdraw", "2"), *up("2")], ["1", "2", "1", "1"], "A withdrawn version is never champion"),
        ([*up("1"), ("withdraw", "1"), *up("1", "2")], ["1", None, None, "2"], "A withdrawn version is never champion"),
        (
            [*up("1", "2", "3"), back, *up("3"), back],
            ["1", "2", "3", "2", "3", "2"],
            "What was rolled back may come again",
        ),
    ]


def _moves(rng: Generator) -> list[tuple[str, str | None]]:
    kinds = rng.choice(["promote", "rollback", "sure rollback", "withdraw"], 60, p=[0.5, 0.25, 0.2, 0.05])
    versions = [str(number) for number in rng.integers(8, 13, 60)]
    return [
        ("rollback", None) if kind == "rollback" else (str(kind).removeprefix("sure "), version)
        for kind, version in zip(kinds, versions, strict=True)
    ]


def _slow_champions(moves: list[tuple[str, str | None]]) -> list[str | None]:
    """The same with an immutable history that is rebuilt at each move."""
    history: tuple[str, ...] = ()
    damaged: set[str | None] = set()
    after = []
    for move, version in moves:
        present = history[-1] if history else None
        if move == "withdraw":
            damaged.add(version)
        elif move == "promote" and version not in damaged:
            history = (*history, version)
        elif move == "rollback" and (version is None or version == present):
            history = history[:-1] if len(history) > 1 else history
        sound = [one for one in history if one not in damaged]
        history = tuple(one for place, one in enumerate(sound) if place == 0 or sound[place - 1] != one)
        after.append(history[-1] if history else None)
    return after
