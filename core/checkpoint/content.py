"""What a checkpoint holds in memory: tensors, the generator's id, and facts about both."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..checks import is_generator_id
from ..networks import DiverseInpaintingModel, ModelConfig
from .blank import build_blank
from .container import raw_bytes
from .header import parts_of, require

_CORRECT = "Correct the call that makes the checkpoint."
_MAX_TEXT = 300


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

    def __post_init__(self) -> None:
        require(
            is_generator_id(self.generator_id),
            "a generator_id of 64 hexadecimal digits",
            repr(self.generator_id)[:80],
            "Take it from generator_id_of or from the checkpoint the generator came with.",
        )
        require(
            isinstance(self.training, dict) and _is_json(self.training),
            "the training facts as a dict of plain data without NaN",
            repr(self.training)[:80],
            _CORRECT,
        )
        images, diagnostics = self.training.get("images", {}), self.training.get("diagnostics", {})
        require(
            _holds_numbers(images)
            and isinstance(diagnostics, dict)
            and all(map(_holds_numbers, diagnostics.values())),
            "training facts with images as numbers by stage, and diagnostics by stage and name",
            f"images {images!r} and diagnostics {diagnostics!r}"[:160],
            _CORRECT,
        )
        for name in ("license", "title"):
            text = getattr(self, name)
            require(
                isinstance(text, str) and len(text) <= _MAX_TEXT and text.isprintable(),
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


def _is_json(data: dict[str, Any]) -> bool:
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _holds_numbers(facts: object) -> bool:
    return isinstance(facts, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in facts.values()
    )


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
