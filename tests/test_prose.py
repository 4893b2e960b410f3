"""Every number that a lesson's prose states stands in a cell too: as an output, or in the code that asserts it.

The rule is mechanical: a number with two digits that count must agree, at the precision in which it is written, with
a number in the text outputs or the code of its notebook. What is no measurement is left out: dates, years, clock
times, numbers of lessons, quoted code, and the header.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from helpers.course import ROOT, notebooks
from helpers.course.manifest import Lesson, load_curriculum

WRITTEN = load_curriculum(ROOT).written
MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DAY = r"\d{1,2}"
NO_MEASUREMENT = [
    r"```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]+>",  # code, addresses, HTML
    rf"\b{DAY}(?:\s*(?:-|and|to)\s*{DAY})?\s+{MONTH}\b|\b{MONTH}\s+{DAY}\b",
    r"\b(?:19|20)\d\d\b",
    r"\b\d{1,2}:\d\d\b",
    r"\b(?:[Ll]essons?|[Ee]xercises?|Part)\s+[\d.]+(?:(?:,| and| to|-)\s*[\d.]+)*",
]
NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)"  # 1,048 or 12.6 or .78 or 42
    r"(\s*(?:%|per cent|points?))?(?!\w)"
)


class Number(NamedTuple):
    """A number in a text: its value, half a unit of its last digit that is not a filling zero, the words around it."""

    value: float
    half_unit: float
    is_share: bool
    digits: int
    context: str


def numbers(text: str) -> Iterator[Number]:
    """Yield each number of a text."""
    for match in NUMBER.finditer(text):
        plain = match[1].replace(",", "")
        whole, _, decimals = plain.partition(".")
        zeros = 0 if decimals else len(whole) - len(whole.rstrip("0"))
        around = " ".join(text[max(match.start() - 40, 0) : match.end() + 20].split())
        digits = len((whole + decimals).strip("0"))
        yield Number(float(plain), 0.5 * 10.0 ** (zeros - len(decimals)), bool(match[2]), digits, around)


def claims(lesson: Lesson) -> Iterator[Number]:
    """Yield the numbers that the prose states as measured."""
    for cell in notebooks.read(ROOT / lesson.notebook).cells[2:]:
        if cell.cell_type == "markdown":
            text = re.sub("|".join(NO_MEASUREMENT), " ", cell.source, flags=re.DOTALL)
            yield from (number for number in numbers(text) if number.digits >= 2)


def evidence(lesson: Lesson) -> set[float]:
    """Return the numbers in the code and the text outputs of a lesson."""
    texts = []
    for cell in notebooks.read(ROOT / lesson.notebook).cells:
        if cell.cell_type == "code":
            texts.append(cell.source.replace("_", ""))
            texts += [output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.outputs]
    # Units that stand close to a number and exponents would hide it: 60s, 1e-4.
    return {number.value for text in texts for number in numbers(re.sub(r"(?<=\d)[a-zA-Z]+|e-?\d+", " ", text))}


@pytest.mark.parametrize("lesson", WRITTEN, ids=lambda lesson: lesson.stem)
def test_every_number_in_the_prose_stands_in_a_cell(lesson):
    known = evidence(lesson)
    shares = known | {100 * value for value in known} | {100 * abs(1 - value) for value in known}

    def is_known(claim: Number) -> bool:
        return any(
            abs(claim.value - other) <= 1.001 * claim.half_unit for other in (shares if claim.is_share else known)
        )

    without = [claim.context for claim in claims(lesson) if not is_known(claim)]
    assert not without, "\n".join(["numbers that no cell shows or asserts:", *without])
