"""Plausible wrong answers, one module for each lesson: every check must refuse its own, with the words given here."""

from collections.abc import Callable


def wrong(exercise: str, says: str) -> Callable:
    """Mark a function as a wrong answer to `exercise` whose refusal must contain the words `says`."""

    def mark(answer: Callable) -> Callable:
        answer.refused_in, answer.says = exercise, says
        return answer

    return mark
