"""How fast G makes images, beside the plain modules and public implementations.

    python benchmarks/generator.py --batches 1 4 --against nvlabs PATH --against rosinality PATH

Weights are random: speed does not depend on them. `reference` is the network's own modules, as they
are trained; `prepared` is what inference uses. A public implementation comes from a checkout that
you name; it gets the same weights, and is timed only if it makes the same images. It computes in
float32 by its own plain PyTorch code, which needs no compiler.
"""

import argparse

import torch
from machine import describe, floor
from measuring import Candidate, add_options, clock_of, compare, name_of, report
from public import GENERATORS, check_agreement

from diverse_inpainting.core.networks import PRESETS, DiverseInpaintingModel, Generator
from diverse_inpainting.core.precision import PRECISIONS, feature_dtype


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    torch.manual_seed(0)
    clock = clock_of(options)
    names = options.precisions
    dtypes = list(dict.fromkeys(feature_dtype(name, clock.device) for name in names))
    floors = {dtype: floor(dtype, clock) for dtype in dtypes}
    generator = random_generator(options.preset).to(clock.device)
    others = {
        name: GENERATORS[name](path, generator).to(clock.device) for name, path in options.against
    }
    rows = []
    for batch in options.batches:
        ws = torch.randn(batch, generator.config.num_layers, generator.config.w_dim)
        ws = ws.to(clock.device)
        candidates = candidates_for(generator, ws, dtypes)
        for name, network in others.items():
            theirs = Candidate(name, torch.float32, lambda network=network, ws=ws: network(ws))
            check_agreement(name, theirs.work(), generator.synthesis(ws))
            candidates.append(theirs)
        shape = f"{batch} x {generator.config.resolution}px"
        rows += compare(candidates, shape, clock, rounds=options.rounds, floors=floors)
    facts = describe(clock.device) | {"clock": clock.kind, "preset": options.preset}
    facts |= {f"floor {name_of(d)}": f"{speed:.0f} GFLOP/s" for d, speed in floors.items()}
    report(facts, rows, options.json)


@torch.no_grad()
def random_generator(preset: str) -> Generator:
    """Return G with random noise strengths and biases, too, which start at zero."""
    generator = Generator(PRESETS[preset].generator)
    for parameter in generator.synthesis.parameters():
        if not parameter.any():
            parameter.normal_(std=0.2)
    return generator.eval().requires_grad_(False)


def candidates_for(
    generator: Generator, ws: torch.Tensor, dtypes: list[torch.dtype]
) -> list[Candidate]:
    """Return the plain modules and the prepared network for each dtype."""
    candidates = []
    for dtype in dtypes:
        plain = DiverseInpaintingModel(generator, feature_dtype=dtype)
        prepared = plain.with_parts({}).prepare()
        candidates += [
            Candidate("reference", dtype, lambda m=plain: m.synthesize(ws), is_reference=True),
            Candidate("prepared", dtype, lambda m=prepared: m.synthesize(ws)),
        ]
    return candidates


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--preset", choices=PRESETS, default="paper256")
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 4))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=("float32", "auto"))
    parser.add_argument(
        "--against",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "PATH"),
        help=f"a public implementation ({', '.join(GENERATORS)}) and its checkout",
    )
    add_options(parser, rounds=7)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
