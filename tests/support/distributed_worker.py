"""What a process does among several, or alone: three steps of each stage, a loop, a talk.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=... python distributed_worker.py FOLDER

writes what the process ended with to FOLDER/RANK.pt, for test_distributed.py. Networks are
tiny, and in float64.
"""

import dataclasses
import importlib.util
import os
import signal
import sys
from pathlib import Path
from unittest import mock

import torch

BATCH = 8  # two standard-deviation groups of four, one for each of two processes
TRAINING = "diverse_inpainting.training"


def train(folder: Path) -> dict:
    """Return the weights, averages, optimiser states and scalars of each stage, and what was said.

    Processes that train together share the folder.
    """
    from diverse_inpainting.core.distributed import join

    device, processes = join("cpu")
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with (
            mock.patch(f"{TRAINING}.prior.feature_dtype", return_value=torch.float64),
            mock.patch(f"{TRAINING}.prior.load_feature_network", _exact_feature_network),
            mock.patch(f"{TRAINING}.completion.feature_dtype", return_value=torch.float64),
        ):
            trainers = make_trainers(device, processes)
            outcome = {name: _outcome(trainer, processes) for name, trainer in trainers.items()}
    finally:
        torch.set_default_dtype(default)
    return outcome | {"conversation": _converse(processes), "loop": _loop(processes, folder)}


def _exact_feature_network():
    from diverse_inpainting.training.projected_gan import load_feature_network

    return load_feature_network().double()


def make_trainers(device, processes) -> dict:
    """Return one trainer of each stage by name."""
    import tiny_model
    from diverse_inpainting.core.checkpoint import Checkpoint
    from diverse_inpainting.training.prior import PriorTrainer
    from diverse_inpainting.training.stage1 import Stage1Trainer
    from diverse_inpainting.training.stage2 import Stage2Trainer

    recipe = _recipe()
    photographs = _photographs(recipe)
    tensors = dict(tiny_model.build_lively(recipe.model).state_dict())
    checkpoint = Checkpoint(config=recipe.model, tensors=tensors, generator_id="0" * 64)
    return {
        "prior": PriorTrainer(recipe, photographs, device, processes),
        "stage1": Stage1Trainer(recipe, checkpoint, None, device, processes),
        "stage2": Stage2Trainer(recipe, checkpoint, photographs, device, processes),
    }


def _recipe():
    import tiny_model
    from diverse_inpainting.training.recipe_file import load_recipe

    changes = {"batch_size": BATCH, "micro_batch": BATCH, "r1_every": 2}
    base = load_recipe("demo64-cpu", tiny_model.SMALL_MEASUREMENTS)
    narrow = {"channel_base": 32, "channel_max": 4}
    model = tiny_model.config()
    ramp = {"discriminator_warmup": 0, "adversarial_ramp": 0}
    kinds = ("colour", "translation", "cutout")
    prior = {"batch_size": 2 * BATCH, "noise": True, "augment": kinds, "diversity_images": 8}
    prior |= {"projected_from": 2 * BATCH, "path_length_weight": 2.0, "path_length_every": 2}
    base = base.with_stage("prior", **changes | prior)
    base = base.with_stage("stage1", **changes, **ramp)
    base = base.with_stage("stage2", real_fraction=0.4, **changes, **ramp)
    return dataclasses.replace(
        base,
        model=dataclasses.replace(
            model,
            generator=dataclasses.replace(model.generator, **narrow),
            discriminator=dataclasses.replace(model.discriminator, **narrow),
        ),
    )


def _photographs(recipe):
    from diverse_inpainting.training.data import Photographs

    drawn = torch.Generator().manual_seed(9)
    pictures = torch.randint(0, 256, (20, 3, 32, 32), generator=drawn, dtype=torch.uint8)
    photographs = Photographs(pictures, recipe.data, 1)
    batch = photographs.batch
    photographs.batch = lambda *place: batch(*place).to(torch.get_default_dtype())
    return photographs


def _outcome(trainer, processes) -> dict:
    scalars = [trainer.step(step * trainer.config.batch_size) for step in range(3)]
    if processes.is_main and hasattr(trainer, "_recalibrate"):
        trainer._recalibrate()
    return {
        "modules": {name: module.state_dict() for name, module in trainer.modules.items()},
        "optimizers": {n: o.state_dict()["state"] for n, o in trainer.optimizers.items()},
        "scalars": scalars,
    }


def _converse(processes) -> dict:
    """Say what this process hears when the last one raises a flag, and when they disagree."""
    from diverse_inpainting.core.errors import ConfigError

    is_last = processes.rank == processes.world_size - 1
    heard = {"one flag": processes.any(is_last), "no flag": processes.any(False)}
    processes.require_same({"seed": 1}, "seed")
    try:
        processes.require_same({"seed": processes.rank}, "seed")
    except ConfigError as error:
        heard["disagreement"] = str(error)
    module = torch.nn.Linear(1, 1)
    module.weight.data.fill_(processes.rank)
    processes.synchronise([module])
    heard["weight"] = module.weight.item()
    return heard


def _loop(processes, folder) -> dict:
    """Run until the last process is asked to end, go on, and meet a loss that is not a number."""
    import toy_trainer
    from diverse_inpainting.training.loop import run
    from diverse_inpainting.training.stages import TrainingError

    told = []

    def go(trainer) -> int:
        return run(trainer, folder / "line", toy_trainer.FINGERPRINT, told.append, processes)

    def spoil(_, scalars) -> None:
        scalars["line_loss"] *= float("nan")

    interrupted, resumed, failing = toy_trainer.Line(20), toy_trainer.Line(20), toy_trainer.Line(40)
    if processes.rank == processes.world_size - 1:
        interrupted.spoil[8] = [lambda *_: signal.raise_signal(signal.SIGTERM)]
    ended = [go(interrupted), go(resumed)]
    failing.spoil[24] = [spoil]
    try:
        go(failing)
    except TrainingError as error:
        ended.append(error.got)
    trainers = (interrupted, resumed, failing)
    return {
        "ended": ended,
        "steps": [trainer.steps for trainer in trainers],
        "exports": [trainer.exports for trainer in trainers],
        "told": [progress.nimg for progress in told],
    }


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location(
        "conftest", Path(__file__).parents[1] / "conftest.py"
    )
    conftest = sys.modules["conftest"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    outcome_folder = Path(sys.argv[1])
    torch.save(train(outcome_folder), outcome_folder / f"{os.environ['RANK']}.pt")
