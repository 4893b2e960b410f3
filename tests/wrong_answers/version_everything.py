"""Wrong answers to the exercises of lesson 52: the mistakes that learners make, and the words that must meet them."""

import hashlib
import math
from contextlib import suppress

import numpy as np

from tests.wrong_answers import wrong


def sha256(content: bytes) -> str:
    """Return the name of some bytes."""
    return hashlib.sha256(content).hexdigest()


# 52.1


def tree_name(folder, line, entries=lambda folder: sorted(folder.iterdir(), key=lambda entry: entry.name)):
    """Name a folder by the lines that `line` makes of its entries."""
    parts = []
    for entry in entries(folder):
        inside = entry.is_dir()
        digest = tree_name(entry, line, entries) if inside else sha256(entry.read_bytes())
        parts.append(line("folder" if inside else "file", digest, entry))
    return sha256("".join(parts).encode())


@wrong("52.1", says="get another name")
def unsorted(folder):
    """Takes the entries in the order of the system, here that of their making."""

    def entries(folder):
        return sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)

    return tree_name(folder, lambda kind, digest, entry: f"{kind} {digest} {entry.name}\n", entries)


@wrong("52.1", says="get another name")
def whole_path(folder):
    """Writes the path of an entry, so the name depends on the place."""
    return tree_name(folder, lambda kind, digest, entry: f"{kind} {digest} {entry}\n")


@wrong("52.1", says="another name, and the folder keeps its name")
def content_alone(folder):
    """Forgets the names of the files."""
    return tree_name(folder, lambda kind, digest, entry: f"{kind} {digest}\n")


@wrong("52.1", says="get another name")
def with_time(folder):
    """Puts the time of the last change into the line."""
    return tree_name(folder, lambda kind, digest, entry: f"{kind} {digest} {entry.name} {entry.stat().st_mtime_ns}\n")


@wrong("52.1", says="An empty folder is gone")
def flat_list_of_files(folder):
    """Lists all files below with their paths."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"file {sha256(path.read_bytes())} {path.relative_to(folder)}\n" for path in files]
    return sha256("".join(lines).encode())


@wrong("52.1", says="exchanged their content")
def sorted_digests(folder):
    """Names the names and the contents each by themselves, sorted."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    return sha256("".join(names + sorted(sha256(path.read_bytes()) for path in files)).encode())


@wrong("52.1", says="two folders down")
def one_level(folder):
    """Names a folder inside by its name alone."""
    lines = []
    for entry in sorted(folder.iterdir()):
        inside = sorted(path.name for path in entry.iterdir()) if entry.is_dir() else sha256(entry.read_bytes())
        lines.append(f"{inside} {entry.name}\n")
    return sha256("".join(lines).encode())


@wrong("52.1", says="begins with a dot is gone")
def without_hidden(folder):
    """Passes over hidden files, as a shell's star does."""

    def entries(folder):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))

    return tree_name(folder, lambda kind, digest, entry: f"{kind} {digest} {entry.name}\n", entries)


@wrong("52.1", says="not the one of the task")
def without_newlines(folder):
    """Joins the lines without an end of line."""
    return tree_name(folder, lambda kind, digest, entry: f"{kind} {digest} {entry.name}")


@wrong("52.1", says="empty file")
def without_kind(folder):
    """Leaves the kind out."""
    return tree_name(folder, lambda kind, digest, entry: f"{digest} {entry.name}\n")


@wrong("52.1", says="An empty file is gone")
def without_empty_files(folder):
    """Passes over files in which nothing stands."""

    def entries(folder):
        return sorted(path for path in folder.iterdir() if path.is_dir() or path.stat().st_size)

    return tree_name(folder, lambda kind, digest, entry: f"{kind} {digest} {entry.name}\n", entries)


# 52.2


class Store:
    """A right store, of which each wrong one changes a part."""

    def __init__(self, disk):
        """Take the disk."""
        self.disk = disk

    def put(self, content):
        """Write to a side name and rename."""
        name = sha256(content)
        if not (self.disk.exists(name) and self.disk.read(name) == content):
            self.disk.write(name + ".part", content)
            self.disk.rename(name + ".part", name)
        return name

    def get(self, name):
        """Read and verify."""
        content = self.disk.read(name)
        if sha256(content) != name:
            raise ValueError(name)
        return content


class InPlace(Store):
    """Writes under the hash itself."""

    def put(self, content):
        """Write in place."""
        name = sha256(content)
        if not (self.disk.exists(name) and self.disk.read(name) == content):
            self.disk.write(name, content)
        return name


class Always(Store):
    """Writes what is there already."""

    def put(self, content):
        """Write every time."""
        name = sha256(content)
        self.disk.write(name + ".part", content)
        self.disk.rename(name + ".part", name)
        return name


class TrustsExistence(Store):
    """Takes what exists for what is right."""

    def put(self, content):
        """Write when nothing is there."""
        name = sha256(content)
        if not self.disk.exists(name):
            self.disk.write(name + ".part", content)
            self.disk.rename(name + ".part", name)
        return name


class Unverified(Store):
    """Hands out whatever lies there."""

    def get(self, name):
        """Read."""
        return self.disk.read(name)


class NoneForMissing(Store):
    """Returns None for a name without content."""

    def get(self, name):
        """Read, if there is something."""
        return super().get(name) if self.disk.exists(name) else None


class InMemory(Store):
    """Keeps everything in a dict of its own."""

    def put(self, content):
        """Remember."""
        self.kept = {sha256(content): content}
        return sha256(content)


class NamedByMd5(Store):
    """Uses another hash."""

    def put(self, content):
        """Write under the MD5."""
        name = hashlib.md5(content).hexdigest()
        self.disk.write(name, content)
        return name


class BelievesTheLeftover(Store):
    """Takes a side file that is there for one that is whole."""

    def put(self, content):
        """Write the side file only when there is none, then rename and verify nothing."""
        name = sha256(content)
        if self.disk.exists(name) and self.disk.read(name) == content:
            return name
        if self.disk.exists(name + ".part"):
            if sha256(self.disk.read(name + ".part")) == name:
                self.disk.rename(name + ".part", name)
            return name
        self.disk.write(name + ".part", content)
        self.disk.rename(name + ".part", name)
        return name


class ComparesLengths(Store):
    """Takes what is as long as it should be for what is right."""

    def put(self, content):
        """Write when nothing as long is there."""
        name = sha256(content)
        if not (self.disk.exists(name) and len(self.disk.read(name)) == len(content)):
            self.disk.write(name + ".part", content)
            self.disk.rename(name + ".part", name)
        return name


class Remembers(Store):
    """Believes that what it has put once stays."""

    def put(self, content):
        """Write what was not put before."""
        name = sha256(content)
        self.done = getattr(self, "done", set())
        if name not in self.done:
            super().put(content)
        self.done.add(name)
        return name


class RenamesTheLeftover(Store):
    """Brings what a power cut left into its place, and repairs it there."""

    def put(self, content):
        """Rename the side file that is there, then look."""
        name = sha256(content)
        if self.disk.exists(name + ".part"):
            self.disk.rename(name + ".part", name)
        return super().put(content)


class Swallows(Store):
    """Says that all is well."""

    def put(self, content):
        """Hide whatever goes wrong."""
        with suppress(Exception):
            super().put(content)
        return sha256(content)


class AlwaysValueError(Store):
    """Raises one error for two things."""

    def get(self, name):
        """Read what is there."""
        if not self.disk.exists(name):
            raise ValueError(name)
        return super().get(name)


class AlwaysKeyError(Store):
    """Raises the other error for two things."""

    def get(self, name):
        """Read what is right."""
        content = self.disk.read(name)
        if sha256(content) != name:
            raise KeyError(name)
        return content


def pair(store):
    """Return the two functions that the task asks for."""
    return store.put, store.get


@wrong("52.2", says="never be half written")
def in_place(disk):
    """Writes under the hash itself."""
    return pair(InPlace(disk))


@wrong("52.2", says="in good order took")
def always(disk):
    """Writes what is there already."""
    return pair(Always(disk))


@wrong("52.2", says="the damage is still there")
def trusts_existence(disk):
    """Takes what exists for what is right."""
    return pair(TrustsExistence(disk))


@wrong("52.2", says="Verify what you read")
def unverified(disk):
    """Hands out whatever lies there."""
    return pair(Unverified(disk))


@wrong("52.2", says="has to raise KeyError")
def none_for_missing(disk):
    """Returns None for a name without content."""
    return pair(NoneForMissing(disk))


@wrong("52.2", says="do not lie on the disk under their hash")
def in_memory(disk):
    """Keeps everything in a dict of its own."""
    return pair(InMemory(disk))


@wrong("52.2", says="return the sha256")
def named_by_md5(disk):
    """Uses another hash."""
    return pair(NamedByMd5(disk))


@wrong("52.2", says="the same put again")
def believes_the_leftover(disk):
    """Takes a side file that is there for one that is whole."""
    return pair(BelievesTheLeftover(disk))


@wrong("52.2", says="the damage is still there")
def compares_lengths(disk):
    """Takes what is as long as it should be for what is right."""
    return pair(ComparesLengths(disk))


@wrong("52.2", says="the damage is still there")
def remembers(disk):
    """Believes that what it has put once stays."""
    return pair(Remembers(disk))


@wrong("52.2", says="For a moment")
def renames_the_leftover(disk):
    """Brings what a power cut left into its place, and repairs it there."""
    return pair(RenamesTheLeftover(disk))


@wrong("52.2", says="let the exception pass")
def swallows(disk):
    """Says that all is well."""
    return pair(Swallows(disk))


@wrong("52.2", says="raised ValueError: it has to be KeyError")
def always_value_error(disk):
    """Raises one error for two things."""
    return pair(AlwaysValueError(disk))


@wrong("52.2", says="raised KeyError: it has to be ValueError")
def always_key_error(disk):
    """Raises the other error for two things."""
    return pair(AlwaysKeyError(disk))


# 52.3


def walk(prediction_id, predictions, versions, runs, datasets, **changes):
    """Walk back rightly, but for what `changes` says."""

    def row(table, key, value):
        found = table[table[key] == value]
        if found.empty:
            raise changes.get("error", LookupError)(f"{key} {value}" if not changes.get("silent") else "not found")
        return found.iloc[0]

    version = int(row(predictions, "prediction_id", prediction_id).version)
    if changes.get("newest"):
        version = int(versions.version.max())
    run = row(runs, "run_id", row(versions, "version", version).run_id)

    def sources(digest, depth=1):
        dataset = row(datasets, "digest", digest)
        if not dataset.made_from:
            return [digest]
        if changes.get("steps") == depth:
            return list(dataset.made_from)
        return [source for parent in dataset.made_from for source in sources(parent, depth + 1)]

    found = sources(run.dataset)
    found = sorted(found if changes.get("twice") else set(found))
    kept = datasets.set_index("digest").kept
    needed = [run.dataset, *found] if changes.get("strict") else found
    clean = changes.get("clean", lambda commit: commit != "unknown" and not commit.endswith("-dirty"))(run.commit)
    return {
        "version": version,
        "run_id": run.run_id,
        "commit": run.commit,
        "dataset": run.dataset,
        "sources": found,
        "reproducible": bool(clean and (changes.get("trusting") or kept[needed].all())),
    }


@wrong("52.3", says="to its own version")
def newest_version(prediction_id, predictions, versions, runs, datasets):
    """Takes the newest version for the one that answered."""
    return walk(prediction_id, predictions, versions, runs, datasets, newest=True)


@wrong("52.3", says="over all steps")
def parents_only(prediction_id, predictions, versions, runs, datasets):
    """Takes one step from the data set."""
    return walk(prediction_id, predictions, versions, runs, datasets, steps=1)


@wrong("52.3", says="over all steps")
def three_steps(prediction_id, predictions, versions, runs, datasets):
    """Takes as many steps as the history that it was tried on had."""
    return walk(prediction_id, predictions, versions, runs, datasets, steps=3)


@wrong("52.3", says="each once")
def sources_twice(prediction_id, predictions, versions, runs, datasets):
    """Names a shared source as often as it is met."""
    return walk(prediction_id, predictions, versions, runs, datasets, twice=True)


@wrong("52.3", says="can be made again")
def derived_must_be_kept(prediction_id, predictions, versions, runs, datasets):
    """Wants the derived data set to be kept, too."""
    return walk(prediction_id, predictions, versions, runs, datasets, strict=True)


@wrong("52.3", says="can be made again")
def dirty_is_fine(prediction_id, predictions, versions, runs, datasets):
    """Takes a dirty commit for a commit."""
    return walk(prediction_id, predictions, versions, runs, datasets, clean=lambda commit: commit != "unknown")


@wrong("52.3", says="can be made again")
def dirty_anywhere(prediction_id, predictions, versions, runs, datasets):
    """Looks for the word anywhere in the commit."""
    words = ("dirty", "unknown")
    clean = {"clean": lambda commit: not any(word in commit for word in words)}
    return walk(prediction_id, predictions, versions, runs, datasets, **clean)


@wrong("52.3", says="can be made again")
def ignores_what_is_gone(prediction_id, predictions, versions, runs, datasets):
    """Looks at the commit alone."""
    return walk(prediction_id, predictions, versions, runs, datasets, trusting=True)


@wrong("52.3", says="name the missing id")
def silent_about_the_gap(prediction_id, predictions, versions, runs, datasets):
    """Raises the right error without the id."""
    return walk(prediction_id, predictions, versions, runs, datasets, silent=True)


@wrong("52.3", says="a missing link is a LookupError")
def value_error(prediction_id, predictions, versions, runs, datasets):
    """Raises another error."""
    return walk(prediction_id, predictions, versions, runs, datasets, error=ValueError)


# 52.4


def repro_with(stages, files, params, lock, **changes):
    """Run stages rightly, but for what `changes` says."""

    def hashes(paths):
        return {path: sha256(files[path]) if path in files else None for path in paths}

    ran = []
    for name, stage in stages.items():
        values = {key: params[key] for key in stage["params"]}
        shown = {key: str(value) for key, value in values.items()} if changes.get("as_text") else values
        entry = {"deps": hashes(stage["deps"]), "params": shown, "code": stage["code"]}
        entry = {key: value for key, value in entry.items() if key not in changes.get("forgets", ())}
        if changes.get("all_params"):
            entry["params"] = params
        if changes.get("nameless"):
            entry["deps"] = sorted(entry["deps"].values())
        old = lock.get(name, {})
        outs = {path: sha256(files[path]) for path in stage["outs"] if path in files}
        same_outs = changes.get("outs", lambda wrote, found: wrote == found)(old.get("outs"), outs)
        stale = old.get("in") != entry or not same_outs or (changes.get("downstream") and ran)
        if stale:
            if changes.get("early"):
                lock[name] = {"in": entry, "outs": old.get("outs", outs)}
            if changes.get("drops"):
                lock.pop(name, None)
            given = files if changes.get("gives_all") else {path: files[path] for path in stage["deps"]}
            files.update(stage["run"](given, values))
            lock[name] = {"in": entry, "outs": hashes(stage["outs"])}
            ran.append(name)
    return ran


@wrong("52.4", says="its result is stale")
def broken_repro(stages, files, params, lock):
    """The code of the task, without its habit of giving all params."""
    ran = []
    for name, stage in stages.items():
        key = {path: sha256(files[path]) for path in stage["deps"]}
        if lock.get(name) != key:
            lock[name] = key
            values = {key: params[key] for key in stage["params"]}
            files.update(stage["run"]({path: files[path] for path in stage["deps"]}, values))
            ran.append(name)
    return ran


@wrong("52.4", says="it declares")
def as_given(stages, files, params, lock):
    """The code of the task."""
    ran = []
    for name, stage in stages.items():
        key = {path: sha256(files[path]) for path in stage["deps"]}
        if lock.get(name) != key:
            lock[name] = key
            files.update(stage["run"]({path: files[path] for path in stage["deps"]}, params))
            ran.append(name)
    return ran


@wrong("52.4", says="The code of train has changed")
def forgets_code(stages, files, params, lock):
    """Looks at deps, params and outs."""
    return repro_with(stages, files, params, lock, forgets=["code"])


@wrong("52.4", says="The param depth has changed")
def forgets_params(stages, files, params, lock):
    """Looks at deps, code and outs."""
    return repro_with(stages, files, params, lock, forgets=["params"])


@wrong("52.4", says="The file log is missing")
def forgets_outs(stages, files, params, lock):
    """Does not look at what came out."""
    return repro_with(stages, files, params, lock, outs=lambda wrote, found: True)


@wrong("52.4", says="Somebody has edited")
def outs_exist(stages, files, params, lock):
    """Is content when the outs are there."""
    return repro_with(stages, files, params, lock, outs=lambda wrote, found: wrote is None or set(wrote) == set(found))


@wrong("52.4", says="nothing that it depends on is different")
def all_params(stages, files, params, lock):
    """Compares all params for each stage."""
    return repro_with(stages, files, params, lock, all_params=True)


@wrong("52.4", says="its tens are the same")
def everything_after_it(stages, files, params, lock):
    """Runs everything after a stage that ran."""
    return repro_with(stages, files, params, lock, downstream=True)


@wrong("52.4", says="train failed")
def locked_too_early(stages, files, params, lock):
    """Writes the lock before the work is done."""
    return repro_with(stages, files, params, lock, early=True, outs=lambda wrote, found: not wrote or wrote == found)


@wrong("52.4", says="called with the old one")
def forgets_before_it_runs(stages, files, params, lock):
    """Drops the entry before the run, so that a failure loses the result that is still good."""
    return repro_with(stages, files, params, lock, drops=True)


@wrong("52.4", says="has become a text")
def params_as_text(stages, files, params, lock):
    """Compares params as they are printed."""
    return repro_with(stages, files, params, lock, as_text=True)


@wrong("52.4", says="nothing else")
def gives_all_files(stages, files, params, lock):
    """Gives every stage all files."""
    return repro_with(stages, files, params, lock, gives_all=True)


@wrong("52.4", says="Nothing has changed")
def runs_everything(stages, files, params, lock):
    """Trusts no cache."""
    lock.clear()
    return repro_with(stages, files, params, lock)


@wrong("52.4", says="cannot be written to a JSON file")
def bytes_in_the_lock(stages, files, params, lock):
    """Keeps the files themselves in the lock."""
    ran = repro_with(stages, files, params, lock)
    lock["files"] = dict(files)
    return ran


@wrong("52.4", says="names and codes have exchanged")
def hashes_without_paths(stages, files, params, lock):
    """Compares which contents there are, and not where."""
    return repro_with(stages, files, params, lock, nameless=True)


MEMORY = {}


@wrong("52.4", says="The lock is empty")
def keeps_it_elsewhere(stages, files, params, lock):
    """Remembers outside of the lock, from the first file on."""
    if "tens" not in files:
        MEMORY.clear()
    return repro_with(stages, files, params, MEMORY)


# 52.5


@wrong("52.5", says="are granted")
def scores_everything(commits, days, score, harm):
    """Scores every commit on every day."""
    means = [np.mean([score(commit, day) for day in days]) for commit in commits]
    return commits[int(np.diff(means).argmax()) + 1]


@wrong("52.5", says="are granted")
def first_again_each_time(commits, days, score, harm):
    """Scores the first commit anew for each comparison."""
    sound, broken = 0, len(commits) - 1
    while broken - sound > 1:
        middle = (sound + broken) // 2
        changes = np.array([score(commits[middle], day) - score(commits[0], day) for day in days])
        margin = 3 * changes.std(ddof=1) / math.sqrt(len(days))
        if abs(changes.mean() - harm / 2) < margin:
            return None
        sound, broken = (sound, middle) if changes.mean() > harm / 2 else (middle, broken)
    return commits[broken]


def bisect(commits, days, judge):
    """Bisect with a judge of a commit: True for broken, False for sound, None for neither."""
    sound, broken = 0, len(commits) - 1
    while broken - sound > 1:
        middle = (sound + broken) // 2
        verdict = judge(commits[middle])
        if verdict is None:
            return None
        sound, broken = (sound, middle) if verdict else (middle, broken)
    return commits[broken]


@wrong("52.5", says="you returned None")
def unpaired(commits, days, score, harm):
    """Compares two means with the spread of the days in the error."""
    first = np.array([score(commits[0], day) for day in days])

    def judge(commit):
        own = np.array([score(commit, day) for day in days])
        margin = 3 * math.sqrt((first.var(ddof=1) + own.var(ddof=1)) / len(days))
        change = own.mean() - first.mean()
        return None if abs(change - harm / 2) < margin else change > harm / 2

    return bisect(commits, days, judge)


@wrong("52.5", says="is accused")
def halves_of_the_days(commits, days, score, harm):
    """Scores the first commit on the first half of the days and the others on the second."""
    half = len(days) // 2
    first = np.mean([score(commits[0], day) for day in days[:half]])
    return bisect(commits, days, lambda commit: np.mean([score(commit, day) for day in days[half:]]) - first > harm / 2)


@wrong("52.5", says="instead of guessing")
def always_sure(commits, days, score, harm):
    """Takes the mean for the truth."""
    first = np.array([score(commits[0], day) for day in days])
    return bisect(commits, days, lambda commit: np.mean([score(commit, day) for day in days] - first) > harm / 2)


@wrong("52.5", says="instead of guessing")
def forgets_the_root(commits, days, score, harm):
    """Divides by the number of days where its root belongs."""
    first = np.array([score(commits[0], day) for day in days])

    def judge(commit):
        changes = np.array([score(commit, day) for day in days]) - first
        margin = 3 * changes.std(ddof=1) / len(days)
        return None if abs(changes.mean() - harm / 2) < margin else changes.mean() > harm / 2

    return bisect(commits, days, judge)


@wrong("52.5", says="of all days")
def first_ten_days(commits, days, score, harm):
    """Takes ten days, which are mostly enough."""
    days = days[:10]
    first = np.array([score(commits[0], day) for day in days])

    def judge(commit):
        changes = np.array([score(commit, day) for day in days]) - first
        margin = 3 * changes.std(ddof=1) / math.sqrt(len(days))
        return None if abs(changes.mean() - harm / 2) < margin else changes.mean() > harm / 2

    return bisect(commits, days, judge)


@wrong("52.5", says="is accused")
def one_too_early(commits, days, score, harm):
    """Returns the last sound commit."""
    first = np.array([score(commits[0], day) for day in days])
    found = bisect(commits, days, lambda commit: np.mean([score(commit, day) for day in days] - first) > harm / 2)
    return commits[max(1, commits.index(found) - 1)]


@wrong("52.5", says="is accused")
def the_last(commits, days, score, harm):
    """Accuses the last commit, on which it was noticed."""
    return commits[-1]


# 52.6


@wrong("52.6", says="one step further back")
def broken_champions_after(moves):
    """The code of the task."""
    champion, previous, after = None, None, []
    for move, version in moves:
        if move == "promote":
            champion, previous = version, champion
        else:
            champion, previous = previous, champion
        after.append(champion)
    return after


def replayed(moves, **changes):
    """Replay moves rightly, but for what `changes` says."""
    history, withdrawn, after = [], set(), []
    for move, version in moves:
        champion = history[-1] if history else None
        if move == "promote":
            again = version == champion and not changes.get("repeats")
            if not again and (version not in withdrawn or changes.get("forgives")):
                history.append(version)
        elif move == "rollback":
            meant = version in (None, champion) or changes.get("anyone")
            if meant and len(history) > changes.get("least", 1):
                history.pop()
                if changes.get("appends") and history:
                    history.append(history[-1])
        else:
            withdrawn.add(version)
            history = [kept for kept in history if kept != version]
            if not changes.get("neighbours"):
                history = [kept for place, kept in enumerate(history) if history[place - 1 : place] != [kept]]
        after.append(history[-1] if history else None)
    return after


@wrong("52.6", says="the champion stays")
def falls_off_the_end(moves):
    """Pops the last champion, too."""
    return replayed(moves, least=0)


@wrong("52.6", says="Promoting the champion again")
def promotes_twice(moves):
    """Writes the champion into the history again."""
    return replayed(moves, repeats=True)


@wrong("52.6", says="Two people")
def ignores_which(moves):
    """Rolls back whatever version is named."""
    return replayed(moves, anyone=True)


@wrong("52.6", says="must not end where it began")
def equal_neighbours(moves):
    """Leaves 1, 1 behind after a withdrawal."""
    return replayed(moves, neighbours=True)


@wrong("52.6", says="withdrawn version is never champion")
def forgives(moves):
    """Lets a withdrawn version be promoted."""
    return replayed(moves, forgives=True)


@wrong("52.6", says="one step further back")
def log_of_champions(moves):
    """Looks one entry back in a log to which a rollback is appended, too."""
    log, after = [], []
    for move, version in moves:
        if move == "promote":
            log.append(version)
        elif len(log) > 1:
            log.append(log[-2])
        after.append(log[-1] if log else None)
    return after


@wrong("52.6", says="one after each move")
def only_the_last(moves):
    """Returns the present champion only."""
    return replayed(moves)[-1:]
