"""The whole model: the paper's Fig. 9 as code.

Legend: N samples, R side of an image in pixels, L style layers, D width of one style code.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from ..compositing import composite
from .config import ModelConfig
from .discriminator import Discriminator
from .encoder import Encoder
from .familiarity import Familiarity
from .generator import Generator
from .mixing import Mixer
from .prepared import (
    PreparedEncoder,
    PreparedNetworks,
    PreparedSkipEncoder,
    PreparedSynthesis,
    Unchanged,
)
from .skip_encoder import SkipEncoder
from .synthesis import PartialSynthesis, Skips, SynthesisNetwork

PARTS = ("generator", "discriminator", "encoder", "mixer", "skip_encoder", "familiarity")
"""Names of the networks; initial weights are drawn in this order."""

_PREPARED = (PreparedEncoder, PreparedSkipEncoder, PreparedSynthesis, Unchanged)

_Network = TypeVar("_Network", bound=nn.Module)
_Prepared = TypeVar("_Prepared")


class Refinement(NamedTuple):
    """What stage 2 makes of style codes, all [N, 3, R, R] in about [-1, 1]."""

    stage1: Tensor
    """I_o, the generator's output without skips."""
    final: Tensor
    """I_f, stage 1 within the hole and the image around it (Eq. 4)."""
    output: Tensor
    """The generator's output with skips (Eq. 7): the whole image, not yet composited."""


class DiverseInpaintingModel(nn.Module):
    """G, D, E, Mi and S, and how an image passes through them.

        W_enc = E(M*I, M)                          encode
        W_out = Mi(W_enc, W_rand)                  mix,        Eq. 1
        I_o   = G(W_out)                           synthesize, stage 1
        I_f   = M*I + (1 - M)*I_o                              Eq. 4
        G(W_out) with the skips of S(I_f, M*I, M)  refine,     stage 2, Eq. 7

    All parts but G are optional. The keys of its state dict are those of a checkpoint.

    Source: the paper, Figs. 2 and 9, section 3 and Appendix A.
    """

    generator: Generator
    discriminator: Discriminator | None
    encoder: Encoder | None
    mixer: Mixer | None
    skip_encoder: SkipEncoder | None
    familiarity: Familiarity | None

    def __init__(
        self,
        generator: Generator,
        *,
        discriminator: Discriminator | None = None,
        encoder: Encoder | None = None,
        mixer: Mixer | None = None,
        skip_encoder: SkipEncoder | None = None,
        familiarity: Familiarity | None = None,
        feature_dtype: torch.dtype = torch.float32,
    ) -> None:
        """Assemble a model; networks may be shared between models.

        Args:
            generator: G, with the mean code w_avg.
            discriminator: D.
            encoder: E.
            mixer: Mi.
            skip_encoder: S.
            familiarity: tells images that the model does not know.
            feature_dtype: of feature maps: of G's, and of those of E and S in a model that
                `prepare` was called for. Everything else is computed in float32.
        """
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.encoder = encoder
        self.mixer = mixer
        self.skip_encoder = skip_encoder
        self.familiarity = familiarity
        self.feature_dtype = feature_dtype
        self._prepared: PreparedNetworks | None = None

    @classmethod
    def from_config(cls, config: ModelConfig) -> Self:
        """Return a freshly initialised model with the parts that the configuration names."""
        return cls(  # in the order of PARTS: initial values are drawn one after the other
            generator=Generator(config.generator),
            discriminator=Discriminator(config.discriminator) if config.discriminator else None,
            encoder=Encoder(config.encoder) if config.encoder else None,
            mixer=Mixer(config.mixer) if config.mixer else None,
            skip_encoder=(
                SkipEncoder(config.skip_encoder, config.generator) if config.skip_encoder else None
            ),
            familiarity=Familiarity(config.familiarity) if config.familiarity else None,
        )

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The networks that are there, by name."""
        return {name: part for name in PARTS if (part := getattr(self, name)) is not None}

    def with_parts(self, parts: Mapping[str, nn.Module]) -> Self:
        """Return a model of these networks and of this one's others, which both then share."""
        networks: dict[str, Any] = {**self.parts, **parts}
        model = type(self)(**networks, feature_dtype=self.feature_dtype)
        return model if self._prepared is None else model.prepare()

    def prepare(self) -> Self:
        """Have calls use networks prepared for inference where they can; return self.

        That is without gradients; G alone has some, with respect to codes. Networks are prepared
        when first needed, and again when weights have changed. Training steps that change weights
        behind PyTorch's back, such as CUDA graphs, must not ask for them.
        """
        self._prepared = PreparedNetworks()
        return self

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        if self._prepared is not None:  # ComfyUI's nodes move what is already where it should be
            self._prepared.drop_outdated()
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if self._prepared is not None:
            self._prepared.drop()
        super()._load_from_state_dict(*args, **kwargs)

    def _fastest(
        self,
        network: _Network,
        prepare: Callable[[_Network, torch.dtype], _Prepared],
        *,
        is_differentiable: bool = False,
    ) -> _Network | _Prepared:
        """Return a network prepared for inference if it may be used now, or the network."""
        if self._prepared is None:
            return network
        prepared = self._prepared.get(
            network, self.feature_dtype, prepare, is_differentiable=is_differentiable
        )
        return network if prepared is None else prepared

    @property
    def _synthesis(self) -> "PreparedSynthesis | _PlainSynthesis":
        network = self._fastest(self.generator.synthesis, PreparedSynthesis, is_differentiable=True)
        if isinstance(network, SynthesisNetwork):
            return _PlainSynthesis(network, self.feature_dtype)
        return network

    def _run(
        self,
        name: Hashable,
        networks: Sequence[object],
        function: Callable[..., tuple[Tensor, ...]],
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return function(*inputs), as a CUDA graph where it can be one.

        Args:
            name: tells functions apart, and what they depend on besides networks and inputs.
            networks: all that it uses; prepared ones, whose weights cannot change unnoticed.
            function: of tensors, to tensors.
            inputs: on the networks' device.
        """
        are_known = all(isinstance(network, _PREPARED) for network in networks)
        if self._prepared is None or not are_known or torch.is_grad_enabled():
            return function(*inputs)
        return self._prepared.graphs.run(name, function, *inputs)

    def map(self, z: Tensor) -> Tensor:
        """Return style codes w [N, D] of latents z [N, z_dim]."""
        mapping = self._fastest(self.generator.mapping, Unchanged)
        return self._run("map", [mapping], lambda z: (mapping(z),), z)[0]

    def encode(self, erased: Tensor, valid: Tensor) -> Tensor:
        """Return W_enc [N, L, D]: w_avg plus what the encoder sees.

        Args:
            erased: [N, 3, R, R] M*I.
            valid: [N, 1, R, R] M, 1 where the image is known.
        """
        encoder = self._fastest(_required(self.encoder), PreparedEncoder)
        inputs = torch.cat([erased, valid], dim=1)
        offset = self._run("encode", [encoder], lambda x: (encoder(x),), inputs)[0]
        return offset + self.generator.w_avg

    def mix(
        self, w_enc: Tensor, w_rand: Tensor, gate_bias: float | Tensor = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Return W_out and the gate in [0, 1], both [N, L, D] (Eq. 1).

        Args:
            w_enc: [N, L, D].
            w_rand: [N, L, D].
            gate_bias: added to g; 0 as trained.
        """
        mixer = self._fastest(_required(self.mixer), Unchanged)

        def run(w_enc: Tensor, w_rand: Tensor) -> tuple[Tensor, ...]:
            return mixer(w_enc, w_rand, gate_bias)

        w_out, gate = self._run(("mix", gate_bias), [mixer], run, w_enc, w_rand)
        return w_out, gate

    def synthesize(self, ws: Tensor, skips: Skips | None = None) -> Tensor:
        """Return the generator's output with constant noise, [N, 3, R, R] in about [-1, 1].

        Args:
            ws: [N, L, D].
            skips: the maps of Eq. 7 by side, as `SkipEncoder` returns them; None for stage 1.
        """
        synthesis = self._synthesis
        if skips is not None:
            return synthesis(ws, skips=skips)
        return self._run("synthesize", [synthesis], lambda ws: (synthesis(ws),), ws)[0]

    def refine(
        self, ws: Tensor, erased: Tensor, valid: Tensor, skip_ws: Tensor | None = None
    ) -> Refinement:
        """Return stage 1 and stage 2 of style codes.

        Both passes of the generator share all blocks below the first skip, where they are equal.

        Args:
            ws: [N, L, D].
            erased: [N, 3, R, R] M*I.
            valid: [N, 1, R, R] M.
            skip_ws: [N, L, D] codes of the stage-1 image that S sees; None takes ws.
        """
        network, synthesis = _required(self.skip_encoder), self._synthesis
        skip_encoder = self._fastest(network, PreparedSkipEncoder)

        def run(ws: Tensor, erased: Tensor, valid: Tensor, *skip_ws: Tensor) -> tuple[Tensor, ...]:
            start = synthesis.start(ws, min(network.config.sides))
            stage1 = synthesis(*skip_ws) if skip_ws else synthesis(ws, start=start)
            final = composite(stage1, erased, valid)
            skips = skip_encoder(final, erased, valid)
            return stage1, final, synthesis(ws, skips=skips, start=start)

        inputs = (ws, erased, valid) if skip_ws is None else (ws, erased, valid, skip_ws)
        return Refinement(*self._run("refine", [skip_encoder, synthesis], run, *inputs))


class _PlainSynthesis(NamedTuple):
    """The synthesis network itself, with the settings that suit most hardware."""

    network: SynthesisNetwork
    dtype: torch.dtype

    def start(self, ws: Tensor, side: int) -> PartialSynthesis:
        return self.network.start(ws, side, dtype=self.dtype, memory_format=torch.channels_last)

    def __call__(
        self, ws: Tensor, *, skips: Skips | None = None, start: PartialSynthesis | None = None
    ) -> Tensor:
        return self.network(
            ws,
            skips=skips,
            start=start,
            dtype=self.dtype,
            memory_format=torch.channels_last,
        )


def _required(network: _Network | None) -> _Network:
    assert network is not None, "checked where models are loaded and trained"
    return network
