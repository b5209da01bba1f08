"""What --dry-run prints: a recipe that loads again, parameters and learning rates."""

import dataclasses
import re

import pytest
import torch

import tiny_model
from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.training.dry_run import describe_training
from diverse_inpainting.training.recipe_file import load_recipe

CPU = torch.device("cpu")


def tiny(*overrides):
    recipe = load_recipe("demo64-cpu", overrides)
    return dataclasses.replace(recipe, model=tiny_model.config())


def test_the_lines_are_a_recipe_that_trains_the_same(tmp_path):
    recipe = tiny("stage1.seed=7", "stage1.lambda_r2=0.5")
    path = tmp_path / "demo64-cpu.toml"
    path.write_text("\n".join(describe_training(recipe, "stage1", CPU)), "utf-8")
    read = load_recipe(str(path))
    assert list(read.stages) == ["stage1"]
    assert dataclasses.replace(recipe, stages={"stage1": recipe.stages["stage1"]}) == read


@pytest.mark.parametrize(
    ("stage", "trained", "frozen"),
    [
        ("prior", {"generator", "discriminator"}, set()),
        ("stage1", {"encoder", "mixer", "discriminator"}, {"generator"}),
        ("stage2", {"skip_encoder", "discriminator"}, {"generator", "encoder", "mixer"}),
    ],
)
def test_parameters_are_counted_part_by_part(stage, trained, frozen):
    text = "\n".join(describe_training(tiny(), stage, CPU))
    found = re.findall(r"^#   (\w+) +([\d,]+) (trained|frozen)$", text, re.MULTILINE)
    assert {part for part, _, kind in found if kind == "trained"} == trained
    assert {part for part, _, kind in found if kind == "frozen"} == frozen
    parts = tiny_model.build_lively().parts
    for part, count, _ in found:
        assert int(count.replace(",", "")) == sum(p.numel() for p in parts[part].parameters())


def test_learning_rates_follow_the_schedule():
    recipe = tiny("stage1.learning_rate=5e-4", "stage1.final_fraction=0.1")
    lines = describe_training(recipe, "stage1", CPU)
    rates = [float(line.split()[2]) for line in lines if "%" in line]
    assert len(rates) == 11 and rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(5e-4) and rates[-1] == pytest.approx(5e-5)
    text = "\n".join(describe_training(tiny("prior.generator_warmup=1200"), "prior", CPU))
    assert "G's rises to it over 1,200 images" in text


def test_a_recipe_without_the_stage_or_its_networks_is_refused():
    recipe = tiny()
    without = dataclasses.replace(recipe, stages={"prior": recipe.stages["prior"]})
    with pytest.raises(ConfigError, match=r"a table \[stage1\]"):
        list(describe_training(without, "stage1", CPU))
    model = dataclasses.replace(recipe.model, encoder=None)
    with pytest.raises(ConfigError, match="without encoder"):
        list(describe_training(dataclasses.replace(recipe, model=model), "stage1", CPU))
