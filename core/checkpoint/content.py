"""What a checkpoint holds in memory: tensors, the generator's id, and facts about both."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..checks import is_generator_id
from ..errors import CheckpointError
from ..foreign_data import MAX_WHOLE, parse_json
from ..networks import DiverseInpaintingModel, ModelConfig
from ..printable import is_printable
from .blank import build_blank
from .container import raw_bytes
from .header import parts_of, require

_CORRECT = "Correct the call that makes the checkpoint."
_MAX_TEXT = 300
_MAX_FACTS = 100_000  # characters; the bundled model has 664


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """Networks of one model, and what is known about them.

    The parts in `tensors` are those of `config`; only the generator may be left out of `tensors`
    (a discriminator stored by itself), because the configuration always describes it.
    """

    config: ModelConfig
    """Describes the networks."""
    tensors: dict[str, Tensor]
    """By `<part>.<state_dict key>`."""
    generator_id: str
    """SHA-256 of the generator when it was trained or imported, see `generator_id_of`."""
    training: dict[str, Any] = field(default_factory=dict)
    """What is known about the training, plain data for JSON: stage, images seen, data, ...
    `images` holds numbers by stage, and `diagnostics` numbers by stage and name."""
    license: str = ""
    """Licence of the weights."""
    title: str = ""
    """What the model knows, in a few words ("cat faces")."""
    trained_images: frozenset[bytes] | None = None
    """Digests of the photographs that its networks have learned from, see image_digests.py; None
    where nothing is known of them (imported generators, and files of older versions)."""

    def __post_init__(self) -> None:
        require(
            is_generator_id(self.generator_id),
            "a generator_id of 64 hexadecimal digits",
            repr(self.generator_id)[:80],
            "Take it from generator_id_of or from the checkpoint the generator came with.",
        )
        _check_training(self.training)
        for name in ("license", "title"):
            text = getattr(self, name)
            require(
                isinstance(text, str) and len(text) <= _MAX_TEXT and is_printable(text),
                f"a {name} in one line of at most {_MAX_TEXT} printable characters",
                repr(text)[:80],
                _CORRECT,
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that the tensors cover."""
        return parts_of(self.config, self.tensors)

    def state_dict_of(self, part: str) -> dict[str, Tensor]:
        """Return the tensors of one part under the keys of its module; they share memory."""
        prefix = f"{part}."
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}

    def model(self) -> DiverseInpaintingModel:
        """Return the model in eval mode; its values share memory with `tensors`.

        Much faster than building and loading: no initial values are drawn.

        Raises:
            CheckpointError: the generator was left out.
        """
        require(
            "generator" in self.parts,
            "a checkpoint with a generator",
            f"one with {', '.join(self.parts)} alone",
            "Use the file that this part belongs to.",
        )
        model = build_blank(self.config)
        model.load_state_dict(self.tensors, assign=True)
        device = next(iter(self.tensors.values())).device
        return model.to(device).eval()  # buffers that no checkpoint holds move, too


def _check_training(training: dict[str, Any]) -> None:
    """Raise CheckpointError unless all that reads the facts may rely on their types.

    What is not known here may be anything: later versions add facts.
    """
    try:
        text = json.dumps(training)
        parse_json(text)
    except (TypeError, ValueError, RecursionError) as error:
        got = f"something else ({error})"
        raise CheckpointError("training facts as plain data for JSON", got, _CORRECT) from error
    require(
        isinstance(training, dict) and len(text) <= _MAX_FACTS,
        f"training facts as a dict, up to {_MAX_FACTS} characters long as JSON",
        f"a {type(training).__name__} of {len(text)} characters",
        _CORRECT,
    )
    for name, fits, wanted in _KNOWN_FACTS:
        require(
            name not in training or fits(training[name]),
            f"training facts with {name} as {wanted}",
            repr(training.get(name))[:80],
            _CORRECT,
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_counts(value: object) -> bool:
    return _is_table(value, lambda v: type(v) is int and 0 <= v < MAX_WHOLE)


def _are_numbers(value: object) -> bool:
    return _is_table(value, lambda v: type(v) in (int, float))


def _is_any_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_table(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, dict) and all(map(fits, value.values()))


_KNOWN_FACTS: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("stage", _is_text, "a text"),
    ("images", _are_counts, "counts by stage"),
    ("diagnostics", lambda value: _is_table(value, _are_numbers), "numbers by stage and name"),
    ("recipe", lambda value: _is_table(value, _is_text), "names by stage"),
    ("perceptual", lambda value: _is_table(value, _is_any_table), "tables by stage"),
)
"""Name, check and description of the facts that this version writes."""


def generator_id_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the generator's tensors in float32, as 64 hexadecimal digits.

    Computed once, before the generator is first rounded to half precision, and carried along.

    Args:
        tensors: those of a checkpoint; only keys below `generator.` count.

    Raises:
        CheckpointError: no generator is among them.
    """
    names = sorted(name for name in tensors if name.startswith("generator."))
    require(bool(names), "tensors of a generator", "none", "Give those of a whole checkpoint.")
    digest = hashlib.sha256(b"diverse-inpainting/generator/1\n")
    for name in names:
        values = tensors[name].detach().float()
        digest.update(f"{name} {list(values.shape)}\n".encode())
        digest.update(raw_bytes(values))
    return digest.hexdigest()
