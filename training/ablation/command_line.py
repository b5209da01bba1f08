"""The command `ablation`: its options, its progress and its answer.

Only typer is imported up front, so that --help answers at once.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from ...core.terminal import display_share
from ..command_line import Device


def ablation(
    *,
    prior: Annotated[Path, typer.Option(help="Model that `train prior` wrote.")],
    data: Annotated[Path, typer.Option(help="Photographs to train on: a folder or a zip.")],
    test_data: Annotated[Path, typer.Option(help="Others, to measure on.")],
    out: Annotated[Path, typer.Option(help="Folder of all runs; what it holds goes on.")],
    base: Annotated[str, typer.Option(help="Recipe that all models vary.")] = "ffhq256",
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Trains all models; give it twice or more. [default: 0 and 1]"),
    ] = None,
    images_stage1: Annotated[
        int | None, typer.Option(min=1, help="Images of stage 1. [default: the recipe's]")
    ] = None,
    images_stage2: Annotated[
        int | None, typer.Option(min=1, help="Images of stage 2. [default: the recipe's]")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=3, help="Pictures to measure on. [default: all]")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE, as stage1.batch_size=8.")
    ] = None,
    inception: Annotated[
        Path | None, typer.Option(help="Weights for FID, U-IDS, P-IDS, as `evaluate` takes them.")
    ] = None,
    lpips: Annotated[
        Path | None, typer.Option(help="Weights for LPIPS, as `evaluate` takes them.")
    ] = None,
    device: Device = None,
) -> None:
    """Train and measure models 1 to 5 of the paper's Table 3 and the pSp baseline, alike.

    OUT gets a folder for each model and seed, ablation.json and RESULTS.md. Stopped and started
    again, it goes on where it was.
    """
    from ...core.device import resolve_device
    from ..metrics.network_metrics import NetworkFiles
    from ..saving import write_text
    from .collect import collect
    from .experiment import Plan, run_ablation
    from .page import render

    images = {"stage1": images_stage1, "stage2": images_stage2}
    bounds = [f"{stage}.total_images={n}" for stage, n in images.items() if n is not None]
    plan = Plan(
        prior=prior,
        data=data,
        test_data=test_data,
        out=out,
        base=base,
        seeds=tuple(dict.fromkeys(seed or (0, 1))),
        overrides=(*(override or ()), *bounds),
        count=count,
        networks=NetworkFiles(inception=inception, lpips=lpips),
    )
    place = resolve_device(device)
    with display_share(lambda percent, what: what) as show:
        is_complete = run_ablation(plan, place, show)
    results = collect(plan, place)
    text = json.dumps(results, indent=2, allow_nan=False)
    write_text(out / "ablation.json", text + "\n")
    write_text(out / "RESULTS.md", render(results))
    for finding in results["findings"]:
        print(f"{finding['verdict']}: {finding['text']}")
    print("finished" if is_complete else "stopped; the same command goes on")
    print(f"wrote {out / 'RESULTS.md'}")
