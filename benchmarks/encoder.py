"""How fast E reads erased images, beside its plain modules and pSp's encoder.

    python benchmarks/encoder.py --batches 1 --against psp PATH

As benchmarks/generator.py; biases that pSp's encoder does not have are zero.
"""

import torch
from generator import compare_all, parser_of
from measuring import Candidate
from public import ENCODERS

from diverse_inpainting.core.networks import PRESETS, DiverseInpaintingModel, Encoder, Generator


def main(arguments: list[str] | None = None) -> None:
    options = parser_of(__doc__, ENCODERS).parse_args(arguments)
    torch.manual_seed(0)
    config = PRESETS[options.preset]
    assert config.encoder is not None, "every preset has one"
    encoder = Encoder(config.encoder).eval().requires_grad_(False)
    generator = Generator(config.generator)  # its mean code is zero: E's own result is compared

    def input_of(batch: int) -> torch.Tensor:
        images = torch.rand(batch, 4, config.generator.resolution, config.generator.resolution)
        return torch.cat([images[:, :3] * 2 - 1, images[:, 3:].round()], dim=1)

    def candidate(name: str, dtype: torch.dtype, x: torch.Tensor) -> Candidate:
        model = DiverseInpaintingModel(generator, encoder=encoder, feature_dtype=dtype)
        model.to(x.device)
        if name == "prepared":
            model.prepare()
        return Candidate(name, dtype, lambda: model.encode(x[:, :3], x[:, 3:]))

    compare_all(options, ENCODERS, encoder, input_of, candidate)


if __name__ == "__main__":
    main()
