"""`make bench`: how fast, and how large, against a peer on the same machine in the same run.

    python tools/bench.py [offline] [service] [drift] [lessons] [STEM ...]

Without arguments all of it, in some fifteen minutes; with the stem of a lesson that lesson alone. Seconds depend on
the machine and on what else it does. So each rival has its turn in each round, the figures are medians over the
rounds, and what is to be quoted is their ratio. Exits 1 when a goal is missed.
"""

import sys

from bench_drift import drift
from bench_lessons import lessons
from bench_lines import HEADER
from bench_offline import offline
from bench_service import service

from helpers.course.manifest import UnknownLesson

BENCHES = {"offline": offline, "service": service, "drift": drift}


def main(arguments: list[str]) -> int:
    """Run what is asked for, print a line as soon as it is known, and say how many goals were missed."""
    stems = [name for name in arguments if name not in {*BENCHES, "lessons"}]
    missed = 0
    print(HEADER, flush=True)
    for name, bench in BENCHES.items():
        if not arguments or name in arguments:
            for line in bench():
                print(line, flush=True)
                missed += line.missed
    if not arguments or stems or "lessons" in arguments:
        try:
            missed += lessons(stems)
        except UnknownLesson as error:
            sys.exit(str(error))
    print(f"{missed} goals missed" if missed else "every goal is met")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
