"""Errors that reach the user. Each says what was expected, what came and what to do."""

from .printable import printable


def image_number(index: int, count: int) -> str:
    """Return "Image 3" as a sentence's subject, or "The image" where there is only one."""
    return f"Image {index}" if count > 1 else "The image"


class DiverseInpaintingError(Exception):
    """Base of every error that a user can cause and fix.

    Its text is one or two sentences and the remedy:
    "Expected {expected}, got {got}. {remedy}", or "{problem} {remedy}" if there is a problem. Parts
    often quote files; the text is printable and of bounded length whatever they hold.

    Args:
        expected: what the callee needs, as a noun phrase ("an image with values in [0, 1]").
        got: what came instead, as a noun phrase.
        remedy: an imperative sentence with its full stop.
        problem: a sentence with its full stop ("All images are identical."), where
            "Expected ..., got ..." would read unnaturally.
    """

    def __init__(self, expected: str, got: str, remedy: str, *, problem: str = "") -> None:
        super().__init__(expected, got, remedy)  # pickle and copy call the class with these
        self.expected = expected
        self.got = got
        self.remedy = remedy
        self.problem = problem

    def __str__(self) -> str:
        expected, got, remedy, problem = map(
            printable, (self.expected, self.got, self.remedy, self.problem)
        )
        return f"{problem or f'Expected {expected}, got {got}.'} {remedy}"


class InputError(DiverseInpaintingError, ValueError):
    """An image, mask, number or name that the method cannot use."""


class ConfigError(DiverseInpaintingError, ValueError):
    """An invalid or inconsistent configuration of a network, training or evaluation."""


class CheckpointError(DiverseInpaintingError):
    """A model or direction file that is missing, damaged, foreign or too new."""


class GeneratorMismatchError(DiverseInpaintingError, ValueError):
    """Codes or a direction of one generator, used with another."""


class BackendError(DiverseInpaintingError, RuntimeError):
    """An ops backend that was requested by name and cannot run."""
