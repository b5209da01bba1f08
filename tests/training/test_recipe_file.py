"""Recipes: the bundled ones, overrides, and what is refused."""

import dataclasses
import json

import pytest

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.core.networks import PRESETS, ModelConfig
from diverse_inpainting.training.config import RENAMED, PerceptualConfig
from diverse_inpainting.training.recipe_file import RECIPES_DIR, load_recipe

OWN_NETWORKS = {"ablation32-cpu", "demo32-cuda", "demo64-cuda"}
BUNDLED = sorted(path.stem for path in RECIPES_DIR.glob("*.toml"))

STAGE = """
total_images = 100
batch_size = 4
r1_gamma = 1
r1_every = 8
ema_half_life = 500
"""
RECIPE = f'preset = "demo64"\n[prior]{STAGE}[stage1]{STAGE}[stage2]{STAGE}'


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return str(path)

    return write


def test_there_is_a_recipe_for_each_machine_and_each_result_of_the_paper():
    rows = {f"table3-model{k}" for k in range(1, 6)} | {"psp-baseline"}
    domains = {"ffhq256", *(f"afhq{kind}{side}" for kind in ("cat", "dog") for side in (256, 512))}
    sizes = {"demo64-cpu", "demo128-cuda", *OWN_NETWORKS}
    assert {*sizes, *domains, *rows} <= set(BUNDLED)


PAPER = ["ffhq256", "afhqcat256", "afhqdog256", "afhqcat512", "afhqdog512"]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_numbers(name):
    """Appendix B, and what its laboratory's code says where the paper is silent."""
    recipe = load_recipe(name)
    for stage in (recipe.stages["stage1"], recipe.stages["stage2"]):
        assert (stage.total_images, stage.batch_size) == (500_000 * 8, 8)
        assert stage.learning_rate == stage.discriminator_learning_rate == 1e-4
        assert stage.betas == (0.9, 0.99)
        assert (stage.schedule, stage.halve_every) == ("halved", 50_000 * 8)
        weights = (stage.lambda_a, stage.lambda_r1, stage.lambda_r2)
        assert weights == (0.08, 1, 1)
        assert (stage.pixel_weight, stage.r1_weight(8)) == (1, 10 / 2)
        assert (stage.masks, stage.train_on, stage.real_fraction) == ("paper", "generated", 0)
    assert recipe.perceptual == PerceptualConfig(network="vgg16", layers=("relu4_3",), weight=5e-5)


def test_the_papers_networks():
    """Widths and groups of StyleGAN2-ADA's paper256 and paper512; E, Mi and S of Appendix A."""
    model = load_recipe("ffhq256").model
    groups = dataclasses.replace(PRESETS["paper256"].discriminator, stddev_group_size=8)
    assert model == dataclasses.replace(PRESETS["paper256"], discriminator=groups)
    assert load_recipe("afhqcat256").model == load_recipe("afhqdog256").model == model
    large = load_recipe("afhqcat512").model
    assert load_recipe("afhqdog512").model == large
    assert (large.generator.num_layers, large.mixer.num_layers) == (16, 16)
    for network in (large.generator, large.discriminator):
        assert [network.channels(side) for side in (64, 128, 512)] == [512, 256, 64]
    assert large.skip_encoder.sides == model.skip_encoder.sides == (128, 64, 32)
    relative = load_recipe("afhqcat512", ("model.skip_encoder.largest_side=256",))
    assert relative.model.skip_encoder.sides == (256, 128, 64)
    assert load_recipe("any-generator").model.skip_encoder.largest_side is None


@pytest.mark.parametrize(("name", "gamma"), [("ffhq256", 1.0), ("afhqcat512", 0.5)])
def test_the_prior_has_all_terms_of_its_configuration(name, gamma):
    """NVlabs/stylegan2-ada-pytorch, train.py (paper256, paper512) and training/loss.py."""
    prior = load_recipe(name).stages["prior"]
    assert (prior.total_images, prior.batch_size, prior.ema_half_life) == (25_000_000, 64, 20_000)
    assert (prior.learning_rate, prior.betas) == (0.0025, (0.0, 0.99))
    assert (prior.r1_gamma, prior.r1_every, prior.style_mixing) == (gamma, 16, 0.9)
    assert [prior.path_weight(64 * k) for k in range(5)] == [8, 0, 0, 0, 8]


def test_what_is_held_out():
    """FFHQ's official split; the others are for folders of any size."""
    data = {name: load_recipe(name).data for name in (*PAPER, "any-generator")}
    split = {name: (config.holdout_every, config.holdout_last) for name, config in data.items()}
    assert split.pop("ffhq256") == (0, 10_000)
    assert split.pop("any-generator") == (7, 0)
    assert set(split.values()) == {(11, 0)}


def test_the_rows_of_table_3_differ_from_the_method_in_one_thing_each():
    own = load_recipe("ffhq256")
    rows = {k: load_recipe(f"table3-model{k}") for k in range(1, 6)}
    rows["psp"] = load_recipe("psp-baseline")
    kinds = {name: row.model.mixer.kind for name, row in rows.items()}
    gated = dict.fromkeys((1, 2, 4, 5), "gated")
    assert kinds == {**gated, 3: "fc", "psp": "none"}
    seen = {
        name: (row.stages["stage1"].train_on, row.stages["stage2"].train_on)
        for name, row in rows.items()
    }
    assert seen[2] == ("photographs", "photographs")
    assert seen[1] == seen["psp"] == ("photographs", "generated")
    assert seen[3] == seen[4] == seen[5] == ("generated", "generated")
    for row in rows.values():
        mixer = dataclasses.replace(row.model.mixer, kind="gated")
        model = dataclasses.replace(row.model, mixer=mixer)
        row = row.with_stage("stage1", train_on="generated")
        row = row.with_stage("stage2", train_on="generated")
        assert dataclasses.replace(row, name=own.name, model=model) == own


def test_each_prior_of_the_chain_can_go_on_from_the_one_before():
    """Only the side differs in G and D, and so does what it brings along."""
    chain = [load_recipe(f"demo{side}-cuda").model for side in (32, 64, 128)]
    for side, model in zip((32, 64, 128), chain, strict=True):
        for part in ("generator", "discriminator"):
            same = dataclasses.replace(getattr(model, part), resolution=128)
            assert same == getattr(PRESETS["demo128"], part)
            assert getattr(model, part).resolution == side


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_recipes_load(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    presets = [preset.generator for preset in PRESETS.values()]
    own = name in OWN_NETWORKS or recipe.model.generator.resolution == 512
    assert recipe.model.generator in presets or own
    assert recipe.license != "unknown"
    for stage in (recipe.stages["prior"], recipe.stages["stage1"], recipe.stages["stage2"]):
        group = recipe.model.discriminator.stddev_group_size
        micro_batch = stage.micro_batch or stage.batch_size
        assert micro_batch % min(group, micro_batch) == 0
        assert stage.total_images % stage.batch_size == 0


@pytest.mark.parametrize("side", [32, 128])
def test_networks_that_follow_a_generator(side):
    given = load_recipe("demo128-cuda").model
    generator = dataclasses.replace(given.generator, resolution=side, w_dim=24)
    discriminator = dataclasses.replace(given.discriminator, resolution=side)
    model = ModelConfig(generator=generator, discriminator=discriminator)
    recipe = load_recipe("any-generator", ("model.encoder.width=16", "model.mixer.kind='fc'"))
    fitted = recipe.fitted_to(model)
    assert fitted.model.generator == generator and fitted.model.discriminator == discriminator
    assert fitted.model.encoder == dataclasses.replace(
        PRESETS["paper256"].encoder, resolution=side, w_dim=24, width=16
    )
    assert fitted.model.mixer.kind == "fc"
    assert dataclasses.replace(fitted, model=recipe.model) == recipe
    own = load_recipe("demo128-cuda")
    assert own.fitted_to(model) is own and not own.follows_generator


def test_a_file_of_the_users_own(write):
    recipe = load_recipe(write(RECIPE))
    assert (recipe.name, recipe.title, recipe.license) == ("mine", "mine", "unknown")
    assert recipe.stages["prior"].total_images == 100
    assert recipe.stages["stage1"].lambda_a == 0.08
    assert recipe.data.mirror


def test_a_recipe_saved_by_a_windows_editor(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + RECIPE.encode())
    assert load_recipe(str(path)).model == load_recipe("demo64-cpu").model
    path.write_bytes(b'title = "\xe9"\n' + RECIPE.encode())  # Latin-1
    with pytest.raises(ConfigError, match=r"a recipe in UTF-8, got .*mine\.toml"):
        load_recipe(str(path))


def test_a_model_of_the_users_own(write):
    model = json.loads(json.dumps(PRESETS["demo64"].to_dict()))
    model["generator"]["mapping_depth"] = 3
    tables = "".join(
        f"[model.{part}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())
        for part, values in model.items()
    )
    recipe = load_recipe(write(RECIPE.replace('preset = "demo64"', "") + tables))
    assert recipe.model.generator.mapping_depth == 3


def test_overrides(write):
    overrides = (
        *("prior.total_images=1_000", "stage1.masks = 'box'", "prior.augment=['cutout']"),
        *("data.mirror=false", "title='My cats'", "stage2.learning_rate=1e-3"),
    )
    recipe = load_recipe(write(RECIPE), overrides)
    assert recipe.stages["prior"].total_images == 1000
    assert recipe.stages["stage1"].masks == "box"
    assert recipe.stages["prior"].augment == ("cutout",)
    assert not recipe.data.mirror
    assert recipe.title == "My cats"
    assert recipe.stages["stage2"].learning_rate == 1e-3
    assert recipe.stages["stage1"].total_images == 100, "the other stages stay"


def test_a_later_override_wins(write):
    overrides = ("prior.seed=1", "prior.seed=2")
    assert load_recipe(write(RECIPE), overrides).stages["prior"].seed == 2


FORMER = {
    "lambda_same": ("stage1", "lambda_r1", 0.5),
    "lambda_other": ("stage2", "lambda_r2", 0.25),
    "lambda_adversarial": ("stage1", "lambda_a", 0.01),
    "pictures": ("stage1", "train_on", "photographs"),
    "features": ("prior", "projected_network", "efficientnet-lite0"),
    "features_from": ("prior", "projected_from", 7),
    "critic_learning_rate": ("prior", "projected_learning_rate", 0.5),
    "spread_weight": ("prior", "diversity_weight", 3.0),
    "generator_ramp": ("prior", "generator_warmup", 9),
}


@pytest.mark.parametrize("former", FORMER)
def test_former_names_are_read_from_files_bases_and_overrides(write, tmp_path, former):
    assert FORMER.keys() == RENAMED.keys()
    stage, name, value = FORMER[former]
    line = f"{former} = {json.dumps(value)}"
    in_file = load_recipe(write(RECIPE.replace(f"[{stage}]", f"[{stage}]\n{line}")))
    given = load_recipe(write(RECIPE), (f"{stage}.{line}",))
    (tmp_path / "child.toml").write_text(f'base = "mine.toml"\n[{stage}]\n{line}', "utf-8")
    child = load_recipe(str(tmp_path / "child.toml"))
    for recipe in (in_file, given, child):
        assert getattr(recipe.stage_config(stage), name) == value


def test_the_later_setting_wins_under_whichever_name(write):
    path = write(RECIPE.replace("[stage1]", "[stage1]\nlambda_r1 = 2.0"))
    assert load_recipe(path, ("stage1.lambda_same=3.0",)).stages["stage1"].lambda_r1 == 3
    assert (
        load_recipe(path, ("stage1.lambda_same=3", "stage1.lambda_r1=4")).stages["stage1"].lambda_r1
        == 4
    )
    with pytest.raises(ConfigError, match="lambda_r1 under a former name as well"):
        load_recipe(write(RECIPE.replace("[stage1]", "[stage1]\nlambda_r1=2\nlambda_same=2")))


def test_a_stage_may_be_left_out(write):
    recipe = load_recipe(write(f'preset = "demo64"\n[stage1]{STAGE}'))
    assert list(recipe.stages) == ["stage1"]
    with pytest.raises(ConfigError, match=r"a table \[prior\]"):
        recipe.stage_config("prior")


def test_survives_json(write):
    recipe = load_recipe(write(RECIPE))
    assert json.loads(json.dumps(recipe.to_dict()))["stage1"]["total_images"] == 100


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("prior.total_image=1", "total_image"),
        ("priors.total_images=1", "priors"),
        ("colour='red'", "colour"),
        ("stage1.style_mixing=0.5", "style_mixing"),
        ("stage1.schedule='linear'", "schedule"),
        ("stage1.halve_every=0", "halve_every"),
        ("stage2.mixer_lr_multiplier=0.5", "trains the mixer"),
        ("data.path='x'", "path"),
        ("preset='demo65'", "demo65"),
        ("preset=[1]", "preset"),
        ("prior.total_images", "'prior.total_images'"),
        ("prior.total_images=many", "TOML"),
        ("prior.total_images=0", "total_images"),
        ("prior.total_images=-5", "total_images"),
        ("prior.total_images=1.5", "total_images"),
        ("prior.total_images=true", "total_images"),
        (f"prior.seed={2**64}", "seed"),
        ("prior.batch_size='4'", "batch_size"),
        ("prior.micro_batch=3", "micro_batch"),
        ("prior.micro_batch=-4", "micro_batch"),
        ("prior.r1_every=0", "r1_every"),
        ("prior.log_every=0", "log_every"),
        ("prior.grid_every=0", "grid_every"),
        ("prior.save_every=0", "save_every"),
        ("prior.ema_half_life=0", "ema_half_life"),
        ("prior.learning_rate='fast'", "learning_rate"),
        ("prior.learning_rate=nan", "learning_rate"),
        ("prior.betas=[0.9]", "betas"),
        ("prior.betas=[0.9, 1.0]", "betas"),
        ("prior.precision='bf16'", "precision"),
        ("prior.augment='colour'", "augment"),
        ("prior.augment=['rotation']", "cutout"),
        ("stage1.masks='round'", "mat-large"),
        ("data.holdout_every=1", "holdout_every"),
        ("data.holdout_every=-2", "holdout_every"),
        ("data.mirror='no'", "mirror"),
        ("prior=1", "prior"),
        ("title.short='x'", "title"),
    ],
)
def test_rejects(write, override, named):
    text = 'title = "T"\n' + RECIPE
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(text), (override,))
    assert named in str(caught.value)


def test_an_incomplete_table_names_the_key(write):
    with pytest.raises(ConfigError, match="batch_size"):
        load_recipe(write(RECIPE.replace("batch_size = 4", "", 1)))


def test_a_title_must_be_text(write):
    with pytest.raises(ConfigError, match="title"):
        load_recipe(write("title = 7\n" + RECIPE))


def test_model_says_what_differs_from_the_preset(write):
    recipe = load_recipe(write(RECIPE + '[model.mixer]\nkind = "fc"\n'))
    assert recipe.model.mixer.kind == "fc"
    assert recipe.model.generator == PRESETS["demo64"].generator
    assert load_recipe(write(RECIPE), ("model.mixer.kind='none'",)).model.mixer.kind == "none"


def test_a_model_that_does_not_fit_its_preset_is_refused(write):
    with pytest.raises(ConfigError, match="resolution"):
        load_recipe(write(RECIPE + "[model.generator]\nresolution = 128\n"))
    with pytest.raises(ConfigError, match="model configuration"):
        load_recipe(write(RECIPE), ("model=3",))


@pytest.fixture
def family(tmp_path):
    """A root, a recipe on it and one on that."""
    (tmp_path / "root.toml").write_text('title = "Root"\n' + RECIPE, "utf-8")
    (tmp_path / "child.toml").write_text('base = "root.toml"\n[stage1]\nr1_gamma = 2\n', "utf-8")
    leaf = 'base = "child.toml"\n[stage1]\nbatch_size = 5\n[stage2]\nr1_gamma = 3\n'
    (tmp_path / "leaf.toml").write_text(leaf, "utf-8")
    return tmp_path


def test_a_recipe_says_only_what_differs_from_its_base(family):
    recipe = load_recipe(str(family / "leaf.toml"), ("stage1.r1_every=7",))
    assert (recipe.name, recipe.title) == ("leaf", "Root")
    stage1, stage2 = recipe.stages["stage1"], recipe.stages["stage2"]
    assert (stage1.batch_size, stage1.r1_gamma, stage1.r1_every) == (5, 2, 7)
    assert (stage2.batch_size, stage2.r1_gamma, stage2.r1_every) == (4, 3, 8)


def test_bases_that_go_in_a_circle_are_refused(family):
    (family / "root.toml").write_text('base = "child.toml"\n', "utf-8")
    with pytest.raises(ConfigError, match="leaf -> child -> root -> child"):
        load_recipe(str(family / "leaf.toml"))


def test_a_base_that_is_not_there_is_named(family):
    (family / "child.toml").write_text('base = "cousin.toml"\n', "utf-8")
    with pytest.raises(ConfigError, match="cousin"):
        load_recipe(str(family / "leaf.toml"))


def test_an_unknown_recipe_lists_the_bundled_ones(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_recipe("demo32-cpu")
    assert all(name in str(caught.value) for name in BUNDLED)
    with pytest.raises(ConfigError):
        load_recipe(str(tmp_path / "absent.toml"))


def test_broken_toml_names_the_file(write):
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        load_recipe(write("preset = "))


def test_a_recipe_that_leaves_a_network_out_trains_what_it_has(write):
    recipe = load_recipe(write(RECIPE.replace('preset = "demo64"', "") + "[model.generator]\n"))
    recipe.require_parts(("generator",))
    with pytest.raises(ConfigError, match=r"with generator, discriminator, got .* without discrim"):
        recipe.require_parts(("generator", "discriminator"))
