"""Every format of StyleGAN2 that is imported, and how far the result is from the original.

The goldens hold what each family's own code made of the same weights; see their README.
"""

import torch
from safetensors.torch import save_file

import foreign_files
from diverse_inpainting.core.checkpoint.importers import import_file
from diverse_inpainting.core.networks import (
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
)


def write_encoder(path, golden):
    """pSp's and e4e's files: an encoder beside the decoder, the mean code once for each layer."""
    tensors = {**golden.source, "encoder.input_layer.0.weight": torch.zeros(3, 3)}
    mean = torch.linspace(-1, 1, 8)
    tree = {"state_dict": tensors, "latent_avg": mean.repeat(8, 1), "opts": {"n_styles": 8}}
    foreign_files.write_torch(path, tree)


def write_styleres(path, golden):
    networks = foreign_files.state_dicts(golden)
    gates = {"synthesis.b64.modify_feature_gates.down1.weight": torch.zeros(2, 2)}
    networks["generator_smooth"].update(gates)
    tree = {**networks, "e4e": {"body.weight": torch.zeros(2)}, "latent_avg": torch.zeros(18, 8)}
    foreign_files.write_torch(path, tree)


def write_genforce(path, golden):
    networks = foreign_files.state_dicts(golden)
    tree = {"models": {**networks, "generator": networks["generator_smooth"]}}
    foreign_files.write_torch(path, {**tree, "running_metadata": {"iter": 3}})


def write_hub(path, golden):
    """The files of huggan: one flat state dict."""
    foreign_files.write_torch(path, foreign_files.state_dicts(golden)["generator_smooth"])


def write_mmgeneration(path, golden):
    foreign_files.write_torch(path, {"state_dict": golden.source, "meta": {"mmgen_version": "0.7"}})


def write_tensors(path, golden):
    save_file(golden.source, path)


CASES = {
    "nvidia labels clamp": ("nvidia_64_labels_clamp", foreign_files.write_nvidia),
    "nvidia": ("nvidia_32", foreign_files.write_nvidia),
    "tensorflow": ("tensorflow_32", foreign_files.write_tensorflow),
    "tensorflow labels clamp": ("tensorflow_64_labels_clamp", foreign_files.write_tensorflow),
    "rosinality": ("rosinality_32", foreign_files.write_rosinality),
    "rosinality safetensors": ("rosinality_32", write_tensors),
    "psp": ("psp_32", write_encoder),
    "styleres": ("styleres_64", write_styleres),
    "genforce": ("genforce_32", write_genforce),
    "genforce labels": ("genforce_32_labels", write_hub),
    "mmgeneration": ("mmgeneration_32", write_mmgeneration),
}


def imported_case(name, path):
    case, write = CASES[name]
    golden = foreign_files.read_golden(case)
    write(path, golden)
    return golden, import_file(path)


def networks_of(imported, dtype=torch.float64):
    generator = Generator(GeneratorConfig(**imported.generator.config))
    generator.load_state_dict(imported.generator.tensors, strict=False)
    discriminator = None
    if imported.discriminator:
        discriminator = Discriminator(DiscriminatorConfig(**imported.discriminator.config))
        discriminator.load_state_dict(imported.discriminator.tensors)
        discriminator = discriminator.to(dtype)
    return generator.to(dtype), discriminator


def deviation(actual, expected, stride=1):
    if expected.ndim == 4:
        actual = actual[..., ::stride, ::stride]
    assert actual.shape == expected.shape
    return ((actual.detach().double() - expected).abs().max() / expected.std()).item()


def measured(golden, imported, dtype):
    """Return the largest differences of codes, image and logits, in standard deviations."""
    generator, discriminator = networks_of(imported, dtype)
    inputs = {name: tensor.to(dtype) for name, tensor in golden.inputs.items()}
    expected = golden.outputs
    made = {
        "w": generator.mapping(inputs["z"], inputs.get("labels")),
        "image": generator.synthesis(inputs["ws"], "const"),
    }
    if "logits" in expected:
        made["logits"] = discriminator(inputs["image"], inputs.get("image_labels"))
    if "w_avg" in expected:
        made["w_avg"] = generator.w_avg
    assert {*made} == {*expected}
    return {name: deviation(made[name], expected[name], golden.stride) for name in made}
