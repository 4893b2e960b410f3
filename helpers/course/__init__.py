"""The course about itself: its list of lessons, its notebooks and a learner's progress."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder, where curriculum.toml and the notebooks are."""
