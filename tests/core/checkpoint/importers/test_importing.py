"""Every family of files against what its own code made of the same weights.

goldens/README.md tells how the numbers were made.
"""

import collections
import subprocess
import sys
from shutil import copytree

import pytest
import torch
from safetensors.torch import save_file

import foreign_files
from diverse_inpainting.core.checkpoint.importers import RefusedFileError, import_file
from import_parity import CASES, imported_case, measured, networks_of, write_encoder

TOLERANCE = {torch.float64: 1e-5, torch.float32: 5e-5}
"""Largest difference over the standard deviation of the expected tensor; the difference of the
families' own float32 from their float64 is as large. In float64, MMGeneration differs by 4e-6: it
adds 1e-6 to a norm where all others add 1e-8 to its square."""

CLOSER = 2e-7
"""For the families that compute as NVIDIA does, in float64; rosinality's epsilon is the rest."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "foreign.bin"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_networks_give_what_their_own_code_gave(name, path, dtype):
    differences = measured(*imported_case(name, path), dtype)
    assert max(differences.values()) <= TOLERANCE[dtype], differences
    if dtype == torch.float64 and "mmgeneration" not in name:
        assert max(differences.values()) <= CLOSER, differences


def test_the_clamp_is_part_of_the_parity(path):
    golden, imported = imported_case("nvidia labels clamp", path)
    assert imported.generator.config["conv_clamp"] == 1.5
    assert imported.discriminator.config["conv_clamp"] == 1.5
    for network in (imported.generator, imported.discriminator):
        network.config["conv_clamp"] = None
    differences = measured(golden, imported, torch.float64)
    assert differences["image"] > 0.1 and differences["logits"] > 0.1


def test_settings_that_shapes_do_not_tell(path):
    _, imported = imported_case("nvidia labels clamp", path)
    assert imported.discriminator.config["stddev_group_size"] == 2
    assert imported.discriminator.config["mapping_depth"] == 2
    assert imported.generator.config["mapping_lr_multiplier"] == 0.01
    assert imported.generator.config["num_classes"] == 3
    _, imported = imported_case("nvidia", path)
    assert imported.discriminator.config["stddev_group_size"] > 1000, "the whole batch"


def test_the_files_of_styleres_have_its_codes_clamp(path):
    _, imported = imported_case("styleres", path)
    assert imported.generator.config["conv_clamp"] == 256
    assert imported.left_out == [
        "e4e (1 tensor)",
        "generator_smooth.synthesis.b64.modify_feature_gates (1 tensor)",
        "latent_avg (1 tensor)",
    ]


def test_the_mean_code_of_an_encoder_is_one_row(path):
    _, imported = imported_case("psp", path)
    assert torch.equal(imported.generator.tensors["mapping.w_avg"], torch.linspace(-1, 1, 8))
    assert imported.left_out == ["state_dict.encoder (1 tensor)"]
    assert imported.discriminator is None and imported.notes == []


def test_a_file_without_a_mean_code_says_so(path):
    _, imported = imported_case("rosinality", path)
    assert "mapping.w_avg" not in imported.generator.tensors
    assert imported.notes == ["The file has no mean code."]
    assert imported.left_out == ["g (71 tensors)"]


def test_mean_codes_that_differ_are_averaged(path):
    golden = foreign_files.read_golden("psp_32")
    tree = {"state_dict": golden.source, "latent_avg": torch.arange(16.0).reshape(2, 8)}
    foreign_files.write_torch(path, tree)
    imported = import_file(path)
    assert torch.equal(imported.generator.tensors["mapping.w_avg"], torch.arange(4.0, 12.0))
    assert "mean code for each layer" in imported.notes[0]


@pytest.mark.parametrize("legacy", [True, False])
def test_both_formats_of_pytorch(path, legacy):
    golden = foreign_files.read_golden("rosinality_32")
    foreign_files.write_rosinality(path, golden, legacy)
    tensors = import_file(path).generator.tensors
    assert torch.equal(tensors["mapping.layers.0.weight"], golden.source["g_ema.style.1.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_become_float32(path, dtype):
    golden = foreign_files.read_golden("psp_32")
    foreign_files.write_torch(path, {k: v.to(dtype) for k, v in golden.source.items()})
    weight = import_file(path).generator.tensors["mapping.layers.0.weight"]
    expected = golden.source["decoder.style.1.weight"].to(dtype).float()
    assert weight.dtype == torch.float32 and torch.equal(weight, expected)


def test_views_and_other_layouts_of_memory(path):
    golden = foreign_files.read_golden("psp_32")
    key = "decoder.convs.0.conv.weight"
    whole = torch.cat([torch.zeros_like(golden.source[key]), golden.source[key]])
    golden.source[key] = whole[1:]  # a view with an offset
    turned = golden.source["decoder.style.1.weight"]
    golden.source["decoder.style.1.weight"] = turned.t().contiguous().t()
    write_encoder(path, golden)
    tensors = import_file(path).generator.tensors
    assert torch.equal(tensors["synthesis.blocks.1.conv0.weight"], whole[1])
    assert torch.equal(tensors["mapping.layers.0.weight"], turned)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensorflow_pickles_of_every_protocol(path, protocol):
    golden = foreign_files.read_golden("tensorflow_32")
    foreign_files.write_tensorflow(path, golden, protocol)
    differences = measured(golden, import_file(path), torch.float64)
    assert max(differences.values()) <= CLOSER


def test_the_averaged_generator_is_preferred(path):
    golden = foreign_files.read_golden("nvidia_32")
    other = {f"G.{k[6:]}": v + 1 for k, v in golden.source.items() if k.startswith("G_ema.")}
    others = foreign_files.nvidia_module(foreign_files.tree_of(other)["G"], "G", {})
    foreign_files.write_nvidia(path, golden, G=others)
    imported = import_file(path)
    const = imported.generator.tensors["synthesis.const"]
    assert torch.equal(const, golden.source["G_ema.synthesis.b4.const"])
    assert imported.left_out == ["G (75 tensors)"]


def test_a_file_without_an_averaged_generator_says_so(path):
    golden = foreign_files.read_golden("rosinality_32")
    networks = foreign_files.state_dicts(golden)
    foreign_files.write_torch(path, {"g": networks["g_ema"], "d": networks["d"]})
    imported = import_file(path)
    assert "no averaged generator" in imported.notes[-1]
    assert imported.discriminator is not None


def test_a_discriminator_of_another_kind_is_left_out_with_the_reason(path):
    golden = foreign_files.read_golden("nvidia_32")
    for name in [n for n in golden.source if n.startswith("D.") and ".skip." in n]:
        del golden.source[name]
    foreign_files.write_nvidia(path, golden)
    imported = import_file(path)
    assert imported.discriminator is None
    assert imported.notes == [
        "The discriminator was left out. Its discriminator is not the residual one."
    ]
    assert imported.left_out[0].startswith("D.b16.")


def test_a_network_without_noise_inputs(path):
    golden = foreign_files.read_golden("nvidia_32")
    for name in [n for n in golden.source if "noise" in n]:
        del golden.source[name]
    foreign_files.write_nvidia(path, golden)
    generator, _ = networks_of(import_file(path))
    ws = golden.inputs["ws"]
    assert torch.equal(generator.synthesis(ws, "const"), generator.synthesis(ws, "none"))


def test_noise_that_a_file_leaves_to_chance_is_drawn_from_a_seed(path):
    golden = foreign_files.read_golden("psp_32")
    kept = {k: v for k, v in golden.source.items() if ".noises." not in k}
    foreign_files.write_torch(path, kept)
    first, second = (import_file(path).generator.tensors for _ in range(2))
    key = "synthesis.blocks.3.conv1.noise"
    assert first[key].std() > 0.9 and torch.equal(first[key], second[key])


def test_bgr_becomes_rgb_where_mmgeneration_trained_itself(path):
    golden = foreign_files.read_golden("mmgeneration_32")
    meta = {"iter": 10, "epoch": 1, "config": "img_norm_cfg = dict(to_rgb=False)"}
    foreign_files.write_torch(path, {"state_dict": golden.source, "meta": meta})
    imported = import_file(path)
    golden.inputs["image"] = golden.inputs["image"].flip(1)
    golden.outputs["image"] = golden.outputs["image"].flip(1)
    assert max(measured(golden, imported, torch.float64).values()) <= 1e-5
    assert imported.notes[-2:] == [
        "Its colours were taken for BGR.",
        "They were turned from BGR into RGB.",
    ]
    meta["config"] = "img_norm_cfg = dict(to_rgb=True)"
    foreign_files.write_torch(path, {"state_dict": golden.source, "meta": meta})
    assert "taken for RGB" in import_file(path).notes[-1]
    imported = import_file(path, channels="bgr")
    assert max(measured(golden, imported, torch.float64).values()) <= 1e-5


@pytest.mark.parametrize("name", ["rosinality", "nvidia", "tensorflow"])
def test_the_order_of_colours_can_be_told(path, name):
    golden, _ = imported_case(name, path)
    imported = import_file(path, channels="bgr")
    for tensors in (golden.inputs, golden.outputs):
        if "image" in tensors:
            tensors["image"] = tensors["image"].flip(1)
    assert max(measured(golden, imported, torch.float64).values()) <= CLOSER
    assert imported.notes[-1] == "They were turned from BGR into RGB."
    assert import_file(path, channels="rgb").notes == import_file(path).notes


def test_progress_reaches_the_end(path):
    golden = foreign_files.read_golden("rosinality_32")
    foreign_files.write_rosinality(path, golden)
    seen = []
    import_file(path, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1] and len(seen) > 50


@pytest.mark.parametrize(
    ("case", "change", "words"),
    [
        ("psp_32", lambda s: s.pop("decoder.convs.1.activate.bias"), "lacks the tensor"),
        ("psp_32", lambda s: s.update({"decoder.extra.weight": torch.zeros(2)}), "extra.weight"),
        (
            "psp_32",
            lambda s: s.update({"decoder.convs.0.conv.blur.kernel": torch.eye(4)}),
            "resamples with another filter",
        ),
        (
            "psp_32",
            lambda s: s.update({"decoder.style.1.weight": s["decoder.style.1.weight"] / 100}),
            "deviate by",
        ),
        (
            "psp_32",
            lambda s: s.update({"decoder.input.input": torch.zeros(1, 8, 8, 4)}),
            "not square (8 to 4)",
        ),
        (
            "psp_32",
            lambda s: s.update({"decoder.to_rgb1.bias": torch.zeros(1, 4, 1, 1)}),
            "to_rgb.bias",
        ),
        (
            "psp_32",
            lambda s: s.update({"decoder.conv1.noise.weight": torch.zeros(2)}),
            "noise_strength has the unknown shape [2]",
        ),
        (
            "psp_32",
            lambda s: s.update({"decoder.conv1.activate.bias": torch.zeros(5)}),
            "not min(base / side, max)",
        ),
        (
            "psp_32",
            lambda s: s.update({"decoder.conv1.conv.weight": torch.zeros(8, 8, 3, 3).long()}),
            "weights of type torch.int64",
        ),
        ("styleres_64", lambda s: s.pop("generator_smooth.synthesis.b8.torgb.weight"), "residual"),
    ],
)
def test_changed_networks_are_refused_with_the_reason(path, case, change, words):
    source = dict(foreign_files.read_golden(case).source)
    change(source)
    foreign_files.write_torch(path, source)
    with pytest.raises(RefusedFileError) as caught:
        import_file(path)
    assert words in caught.value.problem


@pytest.mark.parametrize(
    ("static", "words"),
    [
        ({"resample_kernel": [1, 2, 1]}, "resample_kernel"),
        ({"nonlinearity": "relu"}, "nonlinearity"),
        ({"normalize_latents": False}, "normalize_latents"),
    ],
)
def test_tensorflow_networks_made_otherwise_are_refused(path, static, words):
    golden = foreign_files.read_golden("tensorflow_32")
    golden.settings["Gs"]["static_kwargs"].update(static)
    foreign_files.write_tensorflow(path, golden)
    with pytest.raises(RefusedFileError, match=words):
        import_file(path)


def test_labels_of_the_first_tensorflow_version_are_refused(path):
    golden = foreign_files.read_golden("tensorflow_32")
    golden.source["Gs:mapping:LabelConcat/weight"] = torch.zeros(3, 8)
    foreign_files.write_tensorflow(path, golden)
    with pytest.raises(RefusedFileError, match="labels are joined"):
        import_file(path)


def test_the_standard_deviation_of_tensorflow_depends_on_the_version(path):
    for case, size in (("tensorflow_32", 4), ("tensorflow_64_labels_clamp", 2**16)):
        golden = foreign_files.read_golden(case)
        del golden.settings["D"]["static_kwargs"]["mbstd_group_size"]
        foreign_files.write_tensorflow(path, golden)
        assert import_file(path).discriminator.config["stddev_group_size"] == size


def test_layers_with_another_activation_are_refused(path):
    golden = foreign_files.read_golden("nvidia_32")
    golden.settings["G_ema.synthesis.b8.conv0"]["activation"] = "swish"
    foreign_files.write_nvidia(path, golden)
    with pytest.raises(RefusedFileError, match="swish"):
        import_file(path)


def test_safetensors_with_nvidias_names_tell_the_clamp_in_their_metadata(path):
    golden = foreign_files.read_golden("styleres_64")
    tensors = foreign_files.state_dicts(golden)["generator_smooth"]
    metadata = {"init_kwargs": '{"z_dim": 8, "synthesis_kwargs": {"conv_clamp": 256}}'}
    save_file(tensors, path, metadata)
    imported = import_file(path)
    assert imported.generator.config["conv_clamp"] == 256 and imported.notes == []
    assert max(measured(golden, imported, torch.float64).values()) <= CLOSER
    save_file(tensors, path)
    imported = import_file(path)
    assert imported.generator.config["conv_clamp"] is None
    assert [note[:44] for note in imported.notes] == [
        "The file has tensors only. Assumed: a learni"
    ]


def test_works_without_the_rest_of_the_package(path, root, tmp_path):
    """A copy of the folder imports PyTorch and NumPy only."""
    foreign_files.write_rosinality(path, foreign_files.read_golden("rosinality_32"))
    copytree(root / "core" / "checkpoint" / "importers", tmp_path / "alone")
    code = (
        "import sys, pathlib, alone\n"
        "made = alone.import_file(pathlib.Path(sys.argv[1]))\n"
        "print(made.family, len(made.generator.tensors))\n"
        "others = ('diverse_inpainting', 'safetensors')\n"
        "print([name for name in sys.modules if name.split('.')[0] in others])"
    )
    command = [sys.executable, "-c", code, str(path)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.stdout.splitlines() == ["rosinality 65", "[]"], answer.stderr


def test_an_ordered_dict_and_a_dict_are_the_same(path):
    golden = foreign_files.read_golden("psp_32")
    for kind in (dict, collections.OrderedDict):
        foreign_files.write_torch(path, {"state_dict": kind(golden.source)})
        assert import_file(path).family == "rosinality"
