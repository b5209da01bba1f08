"""Training and measuring every row, one after the other; what is done already is skipped."""

import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...core.checkpoint import inspect_checkpoint
from ...core.errors import ConfigError
from ..commands import Order, train
from ..config import Recipe
from ..metrics.evaluate import OnProgress, evaluate
from ..metrics.evaluate import Plan as EvaluationPlan
from ..metrics.network_metrics import NetworkFiles
from ..metrics.report import write_report
from ..recipe_file import load_recipe
from ..saving import write_text
from ..trainer import Progress
from .findings import Measured
from .reports import read_numbers, read_report
from .rows import ROWS, Row


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An ablation: all rows under each seed, from one prior."""

    prior: Path
    """Model with generator and discriminator."""
    data: Path
    """Folder or zip of photographs: models 1, 2 and pSp learn from them."""
    test_data: Path
    """Folder or zip of photographs that are measured on."""
    out: Path
    """Folder of the whole; what it holds goes on."""
    base: str = "ffhq256"
    """Recipe that all rows are a variation of."""
    seeds: tuple[int, ...] = (0, 1)
    """Of initialisation and all that is random; each trains every row."""
    overrides: tuple[str, ...] = ()
    """KEY=VALUE for every row's recipe."""
    count: int | None = None
    """Pictures to measure on; None for all."""
    networks: NetworkFiles = field(default_factory=NetworkFiles)
    """Weights for metrics on features."""

    def recipe(self, row: Row, seed: int) -> Recipe:
        """Return what a row trains.

        Raises:
            ConfigError: see `load_recipe`.
        """
        seeded = (*self.overrides, f"stage1.seed={seed}", f"stage2.seed={seed}")
        return load_recipe(row.recipe, seeded, base=self.base)

    def facts(self) -> dict[str, Any]:
        """Return what all runs in one folder share, plain data; the seeds may become more."""
        own = {name: str(getattr(self, name).resolve()) for name in ("prior", "data", "test_data")}
        files = dataclasses.asdict(self.networks)
        return {
            **own,
            "base": self.base,
            "overrides": list(self.overrides),
            "count": self.count,
            "networks": {name: path and str(path.resolve()) for name, path in files.items()},
        }


@dataclass(frozen=True)
class Run:
    """One row under one seed."""

    plan: Plan
    row: Row
    seed: int

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.plan.out / f"seed-{self.seed}" / self.row.recipe

    @property
    def evaluation(self) -> Path:
        """Where its measurements lie."""
        return self.folder / "evaluation"

    @property
    def recipe(self) -> Recipe:
        """What it trains."""
        return self.plan.recipe(self.row, self.seed)

    @property
    def model(self) -> Path:
        """The file that training writes."""
        return self.folder / self.row.stage / f"{self.row.stage}.safetensors"

    @property
    def source(self) -> Path:
        """What its training begins with."""
        if not self.row.stage1_of:
            return self.plan.prior
        return dataclasses.replace(self, row=ROWS[self.row.stage1_of]).model

    @property
    def has_yardsticks(self) -> bool:
        """Whether it measures them as well, once for all runs: their pictures are the same."""
        return (self.row.name, self.seed) == (next(iter(ROWS)), self.plan.seeds[0])

    @property
    def total_images(self) -> int:
        """Images that its stage trains for."""
        return getattr(self.recipe, self.row.stage).total_images

    @property
    def is_trained(self) -> bool:
        """Whether the stage has seen all its images."""
        if not self.model.is_file():
            return False
        images = inspect_checkpoint(self.model).training.get("images", {})
        return images.get(self.row.stage, 0) >= self.total_images

    @property
    def seconds(self) -> dict[str, float]:
        """How long training and measuring took; the latter only when it is complete."""
        path = self.folder / "seconds.json"
        return json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def add_seconds(self, what: str, seconds: float) -> None:
        """Count time spent, over all parts of an interrupted run."""
        total = {**self.seconds, what: self.seconds.get(what, 0.0) + seconds}
        write_text(self.folder / "seconds.json", json.dumps(total) + "\n")

    @property
    def is_measured(self) -> bool:
        """Whether the report is complete."""
        return "measuring" in self.seconds

    def read(self) -> tuple[dict[str, Any], Measured]:
        """Return the report's facts, and the numbers of the row's last stage."""
        report = read_report(self.evaluation)
        return report, read_numbers(self.evaluation, report, self.row.stage)


def runs(plan: Plan) -> Iterator[Run]:
    """Yield all runs, each after the one that it goes on from; a whole seed before the next."""
    for seed in plan.seeds:
        for row in ROWS.values():
            yield Run(plan, row, seed)


def run_ablation(plan: Plan, device: torch.device, on_progress: OnProgress) -> bool:
    """Train and measure what is not done yet; tell whether all is done.

    Args:
        plan: what to do.
        device: where.
        on_progress: called now and then.

    Raises:
        DiverseInpaintingError: unusable plan, recipe, data or prior.
        ConfigError: the folder holds another ablation, or the models are measured on what they
            learned from.
    """
    if plan.data.resolve() == plan.test_data.resolve():
        raise ConfigError(
            "photographs to measure on that no model was trained on",
            f"{plan.test_data} for both",
            "Keep some photographs out of --data, and give them as --test-data.",
        )
    _claim_folder(plan)
    for run in runs(plan):
        run.folder.mkdir(parents=True, exist_ok=True)
        if not run.is_trained and not _train(run, device, on_progress):
            return False
        if not run.is_measured:
            _measure(run, device, on_progress)
    return True


def _claim_folder(plan: Plan) -> None:
    plan.out.mkdir(parents=True, exist_ok=True)
    path, facts = plan.out / "plan.json", plan.facts()
    if not path.is_file():
        write_text(path, json.dumps(facts, indent=2) + "\n")
    held = json.loads(path.read_text("utf-8"))
    if held != facts:
        changed = [name for name in facts if held.get(name) != facts[name]]
        raise ConfigError(
            f"the ablation that {plan.out} was begun with",
            f"another {', '.join(changed)}",
            "Give another --out, or the same options; only seeds may be added.",
        )


def _train(run: Run, device: torch.device, on_progress: OnProgress) -> bool:
    """Train a run's stage; tell whether it came to its end."""
    order = Order(
        stage=run.row.stage,
        recipe=run.recipe,
        out=run.folder,
        data=run.plan.data,
        source=run.source,
    )

    def show(progress: Progress) -> None:
        on_progress(progress.nimg / progress.total_images, _title("training", run))

    began = time.monotonic()
    finished = train(order, device, show)
    run.add_seconds("training", time.monotonic() - began)
    return finished.is_complete


def _measure(run: Run, device: torch.device, on_progress: OnProgress) -> None:
    plan = EvaluationPlan(
        data=run.plan.test_data,
        out=run.evaluation,
        model=run.model,
        count=run.plan.count,
        device=str(device),
        networks=run.plan.networks,
        cache=run.plan.out / "features.sqlite",
        stages=(run.row.stage,),
        yardsticks=run.has_yardsticks,
    )
    began = time.monotonic()
    evaluation = evaluate(plan, lambda share, what: on_progress(share, _title("measuring", run)))
    write_report(evaluation, run.evaluation)
    run.add_seconds("measuring", time.monotonic() - began)


def _title(what: str, run: Run) -> str:
    return f"{what} {run.row.name} under seed {run.seed}"
