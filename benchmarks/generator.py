"""How fast G makes images, beside its plain modules and public implementations.

    python benchmarks/generator.py --batches 1 4 --against nvlabs PATH --against rosinality PATH

Weights are random: speed does not depend on them. `reference` is the network's own modules, as they
are trained; `prepared` is what inference uses. A public implementation comes from a checkout that
you name; it gets the same weights, and is timed only if it makes the same of the same codes. It
computes in float32 by its own plain PyTorch code, which needs no compiler.
"""

import argparse
from collections.abc import Callable, Mapping

import torch
from machine import describe, floor
from measuring import Candidate, add_options, clock_of, compare, name_of, report
from public import GENERATORS, Public, check_agreement
from torch import Tensor, nn

from diverse_inpainting.core.networks import PRESETS, DiverseInpaintingModel, Generator
from diverse_inpainting.core.precision import PRECISIONS, feature_dtype


def main(arguments: list[str] | None = None) -> None:
    options = parser_of(__doc__, GENERATORS).parse_args(arguments)
    torch.manual_seed(0)
    generator = random_generator(options.preset)

    def input_of(batch: int) -> Tensor:
        return torch.randn(batch, generator.config.num_layers, generator.config.w_dim)

    def candidate(name: str, dtype: torch.dtype, ws: Tensor) -> Candidate:
        model = DiverseInpaintingModel(generator, feature_dtype=dtype)
        if name == "prepared":
            model.prepare()
        return Candidate(name, dtype, lambda: model.synthesize(ws))

    compare_all(options, GENERATORS, generator, input_of, candidate)


@torch.no_grad()
def random_generator(preset: str) -> Generator:
    """Return G with random noise strengths and biases, too, which start at zero."""
    generator = Generator(PRESETS[preset].generator)
    for parameter in generator.synthesis.parameters():
        if not parameter.any():
            parameter.normal_(std=0.2)
    return generator.eval().requires_grad_(False)


def compare_all(
    options: argparse.Namespace,
    public: Mapping[str, Callable[..., Public]],
    network: nn.Module,
    input_of: Callable[[int], Tensor],
    candidate: Callable[[str, torch.dtype, Tensor], Candidate],
) -> None:
    """Time both forms of a network, and public ones, for all batches and precisions; report.

    Args:
        options: of `parser_of`.
        public: what --against offers.
        network: whose weights they get.
        input_of: batch size to input.
        candidate: "reference" or "prepared", dtype and input to what is timed.
    """
    clock = clock_of(options)
    names = options.precisions
    dtypes = list(dict.fromkeys(feature_dtype(name, clock.device) for name in names))
    others = {name: public[name](path, network).to(clock.device) for name, path in options.against}
    network.to(clock.device)
    floors = {dtype: floor(dtype, clock) for dtype in {torch.float32, *dtypes}}
    rows = []
    for batch in options.batches:
        x = input_of(batch).to(clock.device)
        candidates = [candidate(name, d, x) for d in dtypes for name in ("reference", "prepared")]
        expected = candidate("reference", torch.float32, x).work
        for name, other in others.items():
            theirs = Candidate(name, torch.float32, lambda other=other, x=x: other(x))
            with torch.no_grad():
                check_agreement(name, theirs.work(), expected())
            candidates.append(theirs)
        shape = f"{batch} x {PRESETS[options.preset].generator.resolution}px"
        rows += compare(candidates, shape, clock, rounds=options.rounds, floors=floors)
    facts = describe(clock.device) | {"clock": clock.kind, "preset": options.preset}
    facts |= {f"floor {name_of(d)}": f"{speed:.0f} GFLOP/s" for d, speed in floors.items()}
    report(facts, rows, options.json)


def parser_of(doc: str | None, public: Mapping[str, object]) -> argparse.ArgumentParser:
    """Return a parser of the options that the benchmarks of single networks have."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--preset", choices=PRESETS, default="paper256")
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 4))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=("float32", "auto"))
    parser.add_argument(
        "--against",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "PATH"),
        help=f"a public implementation ({', '.join(public)}) and its checkout",
    )
    add_options(parser, rounds=7)
    return parser


if __name__ == "__main__":
    main()
