"""The table of stages: its rows, and a fourth stage that is one more row."""

import dataclasses
import subprocess
import sys

import pytest
import torch
from PIL import Image

import tiny_model
from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.core.networks import PARTS
from diverse_inpainting.training import run as training_run
from diverse_inpainting.training import stages
from diverse_inpainting.training.checkpointing import write_stage
from diverse_inpainting.training.config import StageConfig
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stages import STAGES, Stage


@pytest.mark.parametrize("stage", STAGES.values(), ids=str)
def test_each_row_names_what_there_is(stage):
    assert issubclass(stage.config_type, StageConfig)
    trainer = stage.trainer_type
    assert {"step", "grid", "diagnostics", "export"} <= set(dir(trainer))
    assert getattr(trainer, "stage", stage.name) == stage.name
    assert {*stage.trains, *stage.takes} <= set(PARTS)


def test_a_stage_takes_what_the_stages_before_it_trained():
    for stage in STAGES.values():
        trained = [part for name in stage.earlier for part in STAGES[name].trains]
        assert stage.previous is None or set(stage.takes) <= set(trained)
    assert [stage.earlier for stage in STAGES.values()] == [
        (),
        ("prior",),
        ("prior", "stage1"),
    ]


def test_the_table_is_read_without_torch():
    """The command line reads it before anything else, so that --help answers at once."""
    code = "import sys, diverse_inpainting.training.stages; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


class Polish:
    """A fourth stage that changes nothing."""

    discriminator_since = 0

    def __init__(self, recipe, checkpoint, photographs, device, processes):
        self.recipe, self.checkpoint, self.device = recipe, checkpoint, device
        self.config = recipe.stage_config("polish")
        self.model = checkpoint.model()
        self.modules = {"skip_encoder": self.model.skip_encoder}
        self.optimizers = {}
        self.perceptual = type("Perceptual", (), {"facts": {}})()

    def step(self, nimg):
        return {"loss": torch.zeros([])}

    def grid(self):
        return Image.new("RGB", (2, 2))

    def diagnostics(self):
        return {}

    def export(self, folder, nimg):
        path, row = folder / "polish.safetensors", STAGES["polish"]
        write_stage(path, self.recipe, self.checkpoint, self.model, row, {"images": nimg})


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolishConfig(StageConfig):
    """Settings of its own."""

    uses_photographs: bool = False
    cloth: str = "soft"


@pytest.fixture
def polish(monkeypatch):
    """The table with one more row."""
    row = Stage(
        name="polish",
        trains=("skip_encoder",),
        takes=("generator", "encoder", "mixer", "skip_encoder"),
        previous="stage2",
        config="polish.PolishConfig",
        trainer="polish.Polish",
    )
    monkeypatch.setitem(sys.modules, f"{stages.__package__}.polish", sys.modules[__name__])
    monkeypatch.setitem(STAGES, "polish", row)


TABLE = "total_images=8\nbatch_size=4\nbetas=[0.0, 0.9]\nr1_gamma=1\nr1_every=1\nema_half_life=9\n"


@pytest.mark.usefixtures("polish")
def test_a_fourth_stage_is_one_row_and_one_module(tiny_checkpoint, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'preset = "demo64"\n[polish]\ncloth = "rough"\n{TABLE}', "utf-8")
    recipe = dataclasses.replace(load_recipe(str(path)), model=tiny_model.config())
    assert recipe.stage_config("polish").cloth == "rough"
    options = training_run.TrainOptions(
        stage="polish", recipe=recipe, out=tmp_path, source=tiny_checkpoint
    )
    result = training_run.train(options, torch.device("cpu"), lambda progress: None)
    assert result.is_complete
    assert result.exports == (tmp_path / "polish" / "polish.safetensors",)
    written = read_checkpoint(result.exports[0])
    assert written.training["images"] == tiny_model.TRAINING["images"] | {"polish": 8}
    assert "skip_encoder" in written.parts


def test_a_recipe_says_which_stages_it_has():
    recipe = load_recipe("demo64-cpu")
    assert list(recipe.stages) == list(STAGES)
    with pytest.raises(ConfigError, match=r"a table \[polish\] in the recipe demo64-cpu"):
        recipe.stage_config("polish")
    assert recipe.with_stage("stage1", seed=5).stages["stage1"].seed == 5
    assert recipe.stages["stage1"].seed == 0
