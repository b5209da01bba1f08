"""What is no StyleGAN2 is named for what it is."""

import collections
import pickle

import pytest
import torch
from safetensors.torch import save_file

import foreign_files
from diverse_inpainting.core.checkpoint.importers import RefusedFileError, import_file

NAMES = {
    "4x4/Const/StyleMod/weight": "It is StyleGAN1",
    "synthesis.layer0.apply_noise.weight": "It is StyleGAN1",
    "g_synthesis.blocks.4x4.epi1.style_mod.lin.weight": "It is StyleGAN1",
    "generator.progression.0.conv1.conv.weight_orig": "It is StyleGAN1",
    "G_ema.synthesis.L0_36_512.weight": "It is StyleGAN3",
    "G_ema.synthesis.input.freqs": "It is StyleGAN3",
    "G_ema.Model.MainLayers.0.Layers.0.Basis": "It is R3GAN",
    "GAN.S.net.0.weight": "It is lucidrains'",
    "GAN.G.blocks.0.to_style1.weight": "It is lucidrains'",
    "G_ema.backbone.synthesis.b4.const": "It is EG3D",
    "Gs.synthesis.ToRGB_lod3/weight": "progressively grown",
    "model.diffusion_model.input_blocks.0.weight": "diffusion",
    "state_dict.encoder.input_layer.0.weight": "an encoder",
    "g_ema.to_rgbs.0.iwt.ll": "It is SWAGAN",
    "something.else": "No StyleGAN2 generator was found",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "other.pt"


@pytest.mark.parametrize("name", NAMES)
def test_other_networks_are_named(path, name):
    foreign_files.write_torch(path, {name: torch.zeros(2)})
    with pytest.raises(RefusedFileError) as caught:
        import_file(path)
    assert NAMES[name] in caught.value.problem
    assert caught.value.problem.count(". ") == 0, "one sentence"


def test_stylegan_xl_is_told_from_stylegan3(path):
    layer = foreign_files.Persistent("SynthesisLayer", {"_parameters": {"weight": torch.zeros(2)}})
    modules = {"synthesis": foreign_files.Persistent("N", {"_modules": {"L0_36_64": layer}})}
    for name, sentence in (("SuperresGenerator", "StyleGAN-XL"), ("Generator", "StyleGAN3")):
        with foreign_files.stand_ins():
            tree = {"G_ema": foreign_files.Persistent(name, {"_modules": modules})}
            path.write_bytes(pickle.dumps(tree))
        with pytest.raises(RefusedFileError, match=f"It is {sentence},"):
            import_file(path)


def test_a_stylegan1_whose_names_contain_those_of_stylegan2(path):
    """NVIDIA's TensorFlow networks of both kinds start with 4x4/Const/const."""
    golden = foreign_files.read_golden("tensorflow_32")
    golden.source["Gs:synthesis:4x4/Const/StyleMod/weight"] = torch.zeros(2)
    foreign_files.write_tensorflow(path, golden)
    with pytest.raises(RefusedFileError, match="It is StyleGAN1"):
        import_file(path)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (torch.zeros(1, 512), "single tensor, such as a direction"),
        ({"epoch": 3}, "it has no tensors"),
        (collections.OrderedDict(a=torch.zeros(1)), "its 1 tensors: 'a'"),
    ],
)
def test_other_things_are_described(path, tree, words):
    foreign_files.write_torch(path, tree)
    with pytest.raises(RefusedFileError) as caught:
        import_file(path)
    assert words in caught.value.problem


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "a\u202eb"])
def test_names_that_would_write_on_the_terminal_are_refused(path, name):
    foreign_files.write_torch(path, {name: torch.zeros(1)})
    with pytest.raises(RefusedFileError) as caught:
        import_file(path)
    assert str(caught.value).isprintable()
    save_file({name: torch.zeros(1)}, path)
    with pytest.raises(RefusedFileError, match="tensor with the name"):
        import_file(path)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "It is empty"), (b"hello", "neither a pickle nor")]
)
def test_files_that_are_no_checkpoints(path, content, words):
    path.write_bytes(content)
    with pytest.raises(RefusedFileError, match=words):
        import_file(path)
