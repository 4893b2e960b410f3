"""The list of lessons is whole, each fault in it gets one clear line, and the lesson folders agree with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from helpers.course.manifest import (
    ROOT,
    Curriculum,
    CurriculumError,
    Lesson,
    UnknownLesson,
    load_curriculum,
    readme_table,
    stray_or_missing,
)

STEMS = [
    "11_frame_the_problem",
    "12_write_code_that_lasts",
    "13_reason_with_chance",
    "14_follow_the_gradient",
    "21_collect_and_join",
    "22_look_at_the_data",
    "23_validate_the_data",
    "24_hold_out_data",
    "25_clean_and_scale",
    "26_build_features",
    "31_fit_linear_models",
    "32_grow_trees",
    "33_evaluate_decisions",
    "34_tune_and_track",
    "35_find_structure",
    "36_recommend_items",
    "41_train_a_neural_network",
    "42_recognise_images",
    "43_read_text",
    "44_switch_frameworks",
    "45_learn_by_reward",
    "51_package_the_model",
    "52_version_everything",
    "53_serve_predictions",
    "54_ship_to_the_cloud",
    "55_scale_out",
    "61_monitor_production",
    "62_retrain_and_roll_back",
    "63_explain_and_be_fair",
    "64_handle_an_incident",
    "71_tell_the_story",
    "72_design_a_system",
    "73_build_a_portfolio",
]

# What job descriptions of a machine learning engineer ask for.
DEMANDED_SKILLS = {
    *("collecting data", "cleaning data", "normalising data", "standardising data", "missing values"),
    *("categories to numbers", "data pipelines", "feature pipelines"),
    *("statistics", "probability", "linear algebra", "calculus", "data structures", "algorithms"),
    *("supervised learning", "unsupervised learning", "reinforcement learning"),
    *("regression", "decision trees", "clustering", "deep learning"),
    *("tensorflow", "keras", "pytorch", "scikit-learn"),
    *("model selection", "hyperparameter tuning", "accuracy", "precision", "recall", "roc curve"),
    *("underfitting", "overfitting", "visualisation", "deployment", "integration", "scale"),
    *("ci/cd", "devops", "version control of code", "version control of data", "version control of models"),
    *("agile work", "cloud", "monitoring within limits", "monitoring for bias", "retraining"),
    *("fairness", "transparency", "business framing", "stakeholders", "communication"),
    *("staying current", "portfolio", "competitions", "comparing roles", "certifications"),
}

# First words that name a state of mind, which no exercise can test, or that are no verb at all.
UNTESTABLE = {
    *("understand", "know", "learn", "appreciate", "realise", "grasp", "see", "explore", "familiarise", "think"),
    *("be", "become", "have", "get", "gain", "remember", "discuss"),
    *("the", "a", "an", "your", "how", "why", "what", "when", "which"),
}

LESSON = {
    "title": "Collect and join",
    "question": "How many rows are there?",
    "minutes": 60,
    "needs": [],
    "objectives": ["count rows", "join tables", "assert keys"],
    "skills": ["sql"],
}


def entry(stem: str, **changes: object) -> str:
    """Write one lesson as TOML, whose scalars and lists are spelled as in JSON; a field set to None is left out."""
    fields = {"stem": stem} | LESSON | changes
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None]
    return "\n".join(["[[lessons]]", *lines])


def curriculum_in(root: Path, *lessons: str, parts: str = "12") -> Path:
    """Write a curriculum into `root`, with one part for each digit of `parts`."""
    tables = [f'[[parts]]\nnumber = {digit}\ntitle = "Part {digit}"' for digit in parts]
    (root / "curriculum.toml").write_text("\n\n".join([*tables, *lessons]), encoding="utf-8")
    return root


def fault_in(root: Path) -> str:
    """Load a curriculum that must be refused, and return the one line that says why."""
    with pytest.raises(CurriculumError) as caught:
        load_curriculum(root)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "curriculum.toml" in message
    return message


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def is_testable(objective: str) -> bool:
    first = objective.split()[0]
    return first.islower() and first not in UNTESTABLE and not first.endswith("ing")


@pytest.fixture(scope="module")
def course() -> Curriculum:
    return load_curriculum()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A course of three lessons, of which the middle one is written and all its files exist."""
    lessons = [entry("11_frame", planned=True), entry("21_join", needs=["11_frame"]), entry("22_look", planned=True)]
    touch(tmp_path, *(f"{folder}/21_join.ipynb" for folder in ("notebooks", "solutions", "exercises")))
    touch(tmp_path, "helpers/checks/join.py", "tests/wrong_answers/join.py")
    return curriculum_in(tmp_path, *lessons)


# The real list


def test_all_lessons_stand_in_order(course):
    assert [lesson.stem for lesson in course.lessons] == STEMS
    assert [part.number for part in course.parts] == [1, 2, 3, 4, 5, 6, 7]


def test_each_demanded_skill_is_taught(course):
    assert DEMANDED_SKILLS - {skill for lesson in course.lessons for skill in lesson.skills} == set()


def test_objectives_can_be_tested(course):
    objectives = [(lesson.stem, objective) for lesson in course.lessons for objective in lesson.objectives]
    assert [pair for pair in objectives if not is_testable(pair[1]) or pair[1].endswith(".")] == []


@pytest.mark.parametrize("objective", ["understand splits", "Choose a split", "splitting by time", "the split"])
def test_untestable_objectives_are_seen(objective):
    assert not is_testable(objective)


def test_objectives_and_questions_are_each_said_once(course):
    said = [text for lesson in course.lessons for text in (*lesson.objectives, lesson.question)]
    assert len(said) == len(set(said))


def test_titles_begin_with_the_words_of_the_stem(course):
    for lesson in course.lessons:
        assert lesson.title.lower().startswith(lesson.checks_module.replace("_", " "))


def test_no_need_is_listed_twice(course):
    assert all(len(lesson.needs) == len(set(lesson.needs)) for lesson in course.lessons)


def test_lesson_folders_agree_with_the_list():
    assert stray_or_missing(ROOT) == []


def test_reading_the_list_loads_nothing_heavy():
    code = "import sys, helpers.course.manifest; print({'numpy', 'pandas', 'nbformat', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# Finding a lesson


@pytest.mark.parametrize(
    "key", ["24_hold_out_data", "24", "hold_out_data", "exercises/24_hold_out_data.ipynb", "24_hold_out_data.ipynb"]
)
def test_lesson_is_found_by_each_of_its_names(course, key):
    assert course.lesson(key).stem == "24_hold_out_data"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("24_hold_out_dta", "did you mean 24_hold_out_data"),
        ("validate_data", "did you mean 23_validate_the_data"),
        ("29", "`mle status` lists them all"),
        ("xyzzy", "`mle status` lists them all"),
        ("", "`mle status` lists them all"),
        ("two\nlines", "`mle status` lists them all"),
    ],
)
def test_unknown_lesson_gets_one_line_with_a_hint(course, key, hint):
    with pytest.raises(UnknownLesson) as caught:
        course.lesson(key)
    assert str(caught.value).startswith(f"There is no lesson {key!r}: {hint}")
    assert len(str(caught.value).splitlines()) == 1


def test_next_lesson_is_the_next_in_order_and_none_after_the_last(course):
    assert [course.after(stem) for stem in STEMS] == [*course.lessons[1:], None]
    assert course.after("24") == course.lesson("25")


def test_written_lessons_and_the_first_of_them(small):
    course = load_curriculum(small)
    assert [lesson.stem for lesson in course.written] == ["21_join"]
    assert course.first.stem == "21_join"


def test_no_first_lesson_when_all_are_planned(tmp_path):
    course = load_curriculum(curriculum_in(tmp_path, entry("11_frame", planned=True), parts="1"))
    with pytest.raises(CurriculumError, match="no lesson is written yet"):
        _ = course.first


def test_a_lesson_knows_its_part_and_its_files():
    lesson = Lesson(stem="24_hold_out_data", **LESSON)
    assert (lesson.part, lesson.number, lesson.checks_module) == (2, "24", "hold_out_data")
    assert lesson.notebook == Path("notebooks/24_hold_out_data.ipynb")
    assert lesson.exercise == Path("exercises/24_hold_out_data.ipynb")
    assert lesson.solution == Path("solutions/24_hold_out_data.ipynb")
    assert lesson.checks == Path("helpers/checks/hold_out_data.py")
    assert lesson.wrong_answers == Path("tests/wrong_answers/hold_out_data.py")


def test_a_lesson_cannot_be_changed(course):
    with pytest.raises(ValidationError, match="frozen"):
        course.lessons[0].minutes = 50


# Faults


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"stem": "20_join"}, "lesson 20_join, stem: "),
        ({"stem": "81_join"}, "lesson 81_join, stem: "),
        ({"stem": "21-Join"}, "lesson 21-Join, stem: "),
        ({"stem": None}, "lesson no. 2, stem: Field required"),
        ({"title": ""}, "lesson 21_join, title: "),
        ({"title": "Rows | columns"}, "lesson 21_join, title: "),
        ({"question": "Many rows."}, "lesson 21_join, question: "),
        ({"minutes": 44}, "lesson 21_join, minutes: Input should be greater than or equal to 45, not 44"),
        ({"minutes": 241}, "lesson 21_join, minutes: Input should be less than or equal to 240, not 241"),
        ({"minutes": "60"}, "lesson 21_join, minutes: Input should be a valid integer, not '60'"),
        ({"minutes": None}, "lesson 21_join, minutes: Field required"),
        ({"needs": "11_frame"}, "lesson 21_join, needs: "),
        ({"objectives": ["count", "join"]}, "lesson 21_join, objectives: "),
        ({"objectives": list("abcdef")}, "lesson 21_join, objectives: "),
        ({"skills": []}, "lesson 21_join, skills: "),
        ({"skills": ["SQL"]}, "lesson 21_join, skills: "),
        ({"planned": "yes"}, "lesson 21_join, planned: Input should be a valid boolean, not 'yes'"),
        ({"level": "hard"}, "lesson 21_join, level: Extra inputs are not permitted, not 'hard'"),
        ({"needs": ["12_code"]}, "lesson 21_join, needs: there is no lesson 12_code"),
        ({"needs": ["22_look"]}, "lesson 21_join, needs: 22_look comes later in the course"),
        ({"needs": ["21_join"]}, "lesson 21_join, needs: lessons need each other in a circle: 21_join, 21_join"),
        ({"stem": "31_join"}, "lesson 22_look, stem: its number must be above that of the lesson before, 31_join"),
        ({"stem": "22_join"}, "lesson 22_look, stem: its number must be above that of the lesson before, 22_join"),
        ({"stem": "22_look"}, "lesson 22_look, stem: 22_look already has that name"),
        ({"stem": "21_look"}, "lesson 22_look, stem: 21_look already has that name"),
    ],
)
def test_a_fault_in_a_lesson_is_named_by_lesson_and_field(tmp_path, changes, line):
    lessons = [entry("11_frame"), entry(**({"stem": "21_join"} | changes)), entry("22_look")]
    assert fault_in(curriculum_in(tmp_path, *lessons)).startswith(f"curriculum.toml: {line}")


def test_a_circle_of_needs_is_named(tmp_path):
    lessons = [entry("11_frame", needs=["22_look"]), entry("21_join", needs=["11_frame"])]
    fault = fault_in(curriculum_in(tmp_path, *lessons, entry("22_look", needs=["21_join"])))
    assert "circle" in fault
    assert all(stem in fault for stem in ("11_frame", "21_join", "22_look"))


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ("1", "lesson 21_join, stem: there is no part 2"),
        ("123", "part 3, number: the part has no lesson"),
        ("21", "part 1, number: must be above 2"),
        ("122", "part 2, number: must be above 2"),
        ("128", "part 8, number: Input should be less than or equal to 7, not 8"),
        ("", "field parts: Field required"),
    ],
)
def test_a_fault_in_the_parts_is_named(tmp_path, parts, line):
    root = curriculum_in(tmp_path, entry("11_frame"), entry("21_join"), parts=parts)
    assert fault_in(root).startswith(f"curriculum.toml: {line}")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[[lessons]\n", "curriculum.toml is not valid TOML: "),
        (b'title = "\xff"\n', "curriculum.toml is not valid TOML: "),
        (b"", "curriculum.toml: field parts: Field required"),
        (b"parts = []\nlessons = []\nauthor = 'me'\n", "curriculum.toml: field author: Extra inputs"),
        (b"parts = []\nlessons = 3\n", "curriculum.toml: field lessons: "),
        (b"parts = []\nlessons = [3]\n", "curriculum.toml: lesson no. 1: "),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, content, line):
    (tmp_path / "curriculum.toml").write_bytes(content)
    assert fault_in(tmp_path).startswith(line)


def test_a_missing_file_is_named_with_the_way_to_get_it_back(tmp_path):
    assert fault_in(tmp_path).endswith("restore it with `git checkout curriculum.toml`")


# The README's table


def test_readme_table_links_written_lessons_and_marks_planned_ones(small):
    assert readme_table(load_curriculum(small)) == "\n".join(
        [
            "**Part 1 · Part 1**",
            "",
            "| No. | Lesson | Question | Minutes | Exercises |",
            "| --- | --- | --- | ---: | --- |",
            "| 11 | Collect and join (planned) | How many rows are there? | 60 |  |",
            "",
            "**Part 2 · Part 2**",
            "",
            "| No. | Lesson | Question | Minutes | Exercises |",
            "| --- | --- | --- | ---: | --- |",
            "| 21 | [Collect and join](notebooks/21_join.ipynb) | How many rows are there? | 60 "
            "| [exercises](exercises/21_join.ipynb) |",
            "| 22 | Collect and join (planned) | How many rows are there? | 60 |  |",
        ]
    )


# Files of the lessons


def test_a_whole_tree_gets_no_message(small):
    touch(small, "helpers/checks/core.py", "helpers/checks/__init__.py", "tests/wrong_answers/__init__.py")
    touch(small, "notebooks/.ipynb_checkpoints/21_join-checkpoint.ipynb", "helpers/checks/__pycache__/join.pyc")
    assert stray_or_missing(small) == []


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("notebooks/21_join.ipynb", "write the lesson, or mark it `planned = true` in curriculum.toml"),
        ("solutions/21_join.ipynb", "write the exercises with their answers"),
        ("exercises/21_join.ipynb", "run `mle build 21_join`"),
        ("helpers/checks/join.py", "write the checks of its exercises"),
        ("tests/wrong_answers/join.py", "write the answers that its checks must refuse"),
    ],
)
def test_a_missing_file_is_named_with_the_way_to_make_it(small, name, mend):
    (small / name).unlink()
    assert stray_or_missing(small) == [f"{name} is missing: {mend}"]


@pytest.mark.parametrize(
    "name",
    [
        "notebooks/31_fit.ipynb",
        "notebooks/Untitled.ipynb",
        "notebooks/figure.png",
        "solutions/22_look.ipynb",
        "exercises/21_joins.ipynb",
        "helpers/checks/look.py",
        "tests/wrong_answers/core.py",
    ],
)
def test_a_stray_file_is_named(small, name):
    touch(small, name)
    mend = "list its lesson in curriculum.toml, or delete it"
    assert stray_or_missing(small) == [f"{name} belongs to no written lesson: {mend}"]


def test_a_folder_of_notebooks_is_stray(small):
    touch(small, "notebooks/old/21_join.ipynb")
    assert [message.split()[0] for message in stray_or_missing(small)] == ["notebooks/old"]


def test_a_planned_lesson_that_has_its_notebook_loses_the_mark(small):
    touch(small, "notebooks/22_look.ipynb", "solutions/22_look.ipynb", "exercises/22_look.ipynb")
    touch(small, "helpers/checks/look.py")
    assert stray_or_missing(small) == [
        "notebooks/22_look.ipynb exists: delete `planned = true` from its lesson in curriculum.toml",
        "tests/wrong_answers/look.py is missing: write the answers that its checks must refuse",
    ]
