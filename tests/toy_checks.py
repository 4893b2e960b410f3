"""Two checks for the tests of the checks' core; apart from them because a check's file tells its frames."""

from helpers.checks.core import check


@check("99.1")
def check_double(double, rng):
    value = int(rng.integers(2, 100))
    result = double(value)
    assert result == 2 * value, f"double({value}) is {result}: that is not twice {value}"


@check("99.2")
def check_mean(mean, rng):
    assert round(mean(rng.normal(size=3)), 3) < 10, "The mean is far from the values."
