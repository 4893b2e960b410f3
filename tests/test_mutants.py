"""The mutator itself: it breaks what it should, and tells a strict check from a lenient one."""

import pytest

from tests.mutants import mutants

SOURCE = """
def late(delays, limit=15):
    '''Share of late flights.'''
    count = 0
    for delay in delays:
        if delay >= limit and delay is not None:
            count += 1
    return round(count / len(delays), ndigits=2)
"""


@pytest.mark.parametrize(
    "expected",
    [
        "if delay >= limit and delay is not None: -> if delay > limit and delay is not None:",
        "if delay >= limit and delay is not None: -> if delay >= limit or delay is not None:",
        "if delay >= limit and delay is not None: -> if delay >= limit and delay is None:",
        "def late(delays, limit=15): -> def late(delays, limit=16):",
        "count += 1 -> count -= 1",
        "count = 0 -> pass",
        "return round(count / len(delays), ndigits=2) -> return round(count * len(delays), ndigits=2)",
        "return round(count / len(delays), ndigits=2) -> return round(count / len(delays))",
        "return round(count / len(delays), ndigits=2) -> return None",
    ],
)
def test_the_mutants_are_the_mistakes_that_one_makes(expected):
    assert expected in [what for what, _ in mutants(SOURCE)]


def test_each_mutant_is_another_program_and_leaves_the_docstring_alone():
    found = list(mutants(SOURCE))
    assert len({source for _, source in found}) == len(found) > 15
    assert not any("Share" in what for what, _ in found)


def test_a_strict_examination_refuses_what_a_lenient_one_accepts():
    def accepted(examine) -> int:
        count = 0
        for _, source in mutants(SOURCE):
            names: dict = {}
            exec(source, names)
            try:
                count += examine(names["late"])
            except Exception:
                continue
        return count

    right = {(): 0.33, (20,): 0.17}
    cases = [15, 3, 90, 14, -4, 0]

    def strict(late) -> bool:
        return all(late(cases, *limit) == share for limit, share in right.items()) and late(cases, 3) == 0.67

    assert accepted(strict) < accepted(lambda late: late([90]) == 1)
