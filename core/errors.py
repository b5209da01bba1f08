"""Errors that reach the user. Each says what was expected, what came and what to do."""


class DiverseInpaintingError(Exception):
    """Base of every error that a user can cause and can mend.

    Args:
        expected: what the callee needs, as a noun phrase ("a picture with values in [0, 1]").
        got: what came instead, as a noun phrase.
        remedy: one imperative sentence that ends with a full stop.
    """

    def __init__(self, expected: str, got: str, remedy: str) -> None:
        super().__init__(f"Expected {expected}; got {got}. {remedy}")
        self.expected = expected
        self.got = got
        self.remedy = remedy


class InputError(DiverseInpaintingError, ValueError):
    """A picture, mask, number or name that the method cannot use."""


class ConfigError(DiverseInpaintingError, ValueError):
    """A network, training or evaluation configuration that contradicts itself."""


class CheckpointError(DiverseInpaintingError):
    """A model or direction file that is absent, damaged, foreign or too new."""


class GeneratorMismatchError(DiverseInpaintingError, ValueError):
    """Codes or a direction of one generator that were given to another."""


class BackendError(DiverseInpaintingError, RuntimeError):
    """An ops backend that was asked for by name and cannot run."""
