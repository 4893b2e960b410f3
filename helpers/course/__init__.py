"""The course about itself: its list of lessons, its notebooks and a learner's progress."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder, where curriculum.toml and the notebooks are."""

EXERCISE_HEADING = re.compile(r"^## Exercise (\d+\.\d+): (.+)$", re.MULTILINE)
"""The heading under which the cells of one exercise stand: its number and its title."""
