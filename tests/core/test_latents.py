"""Codes carry their generator; latents depend on (seed, variant) alone."""

import dataclasses

import pytest
import torch

from diverse_inpainting.core.errors import GeneratorMismatchError, InputError
from diverse_inpainting.core.latents import (
    MAX_SEED,
    WPlus,
    expand_labels,
    sample_z,
    variant_seed,
)

ID = "a" * 64


def _codes() -> WPlus:
    return WPlus(torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5), ID)


def test_flat_is_image_major() -> None:
    w = _codes()
    assert (w.batch, w.num_variants, w.num_layers, w.w_dim) == (2, 3, 4, 5)
    assert w.flat().shape == (6, 4, 5)
    for b in range(2):
        for v in range(3):
            assert torch.equal(w.flat()[b * 3 + v], w.codes[b, v])


@pytest.mark.parametrize(
    ("index", "images", "variants"),
    [
        (1, [1], [0, 1, 2]),
        (-1, [1], [0, 1, 2]),
        ((slice(None), 2), [0, 1], [2]),
        ((0, [2, 0, 2]), [0], [2, 0, 2]),
        ((slice(1, 9), slice(1, None)), [1], [1, 2]),
    ],
)
def test_an_index_chooses_images_and_variants(index, images, variants) -> None:
    chosen = _codes()[index]
    assert chosen.generator_id == ID
    assert torch.equal(chosen.codes, _codes().codes[images][:, variants])


@pytest.mark.parametrize("index", [2, (0, 3), (0, -4), (0, [1.0]), (True, 0), slice(5, 9), []])
def test_an_index_outside_is_refused(index) -> None:
    with pytest.raises(InputError):
        _codes()[index]


def _labelled() -> WPlus:
    return dataclasses.replace(_codes(), labels=("a0", "a1", "a2", "b0", "b1", "b2"))


def test_labels_stay_with_their_variants() -> None:
    assert _labelled()[1, [2, 0]].labels == ("b2", "b0")
    assert _labelled()[:, 1].to(dtype=torch.float64).labels == ("a1", "b1")
    assert _codes()[1].labels == ()
    assert _labelled().blend(_labelled(), 0.5).labels == ()
    with pytest.raises(InputError, match="6 labels"):
        dataclasses.replace(_codes(), labels=("a", "b", "c"))


def test_labels_expand_as_codes_do() -> None:
    one = _labelled()[0]
    assert expand_labels(one, 2, 3) == ("a0", "a1", "a2") * 2
    assert expand_labels(_labelled()[:, 1], 2, 2) == ("a1", "a1", "b1", "b1")
    assert expand_labels(_codes(), 2, 3) == ()


def test_blending_goes_from_one_to_the_other() -> None:
    a, b = _codes(), WPlus(_codes().codes + 8, ID)
    assert torch.equal(a.blend(b, 0).codes, a.codes)
    assert torch.equal(a.blend(b, 0.25).codes, a.codes + 2)
    assert torch.equal(a.blend(b, 1).codes, b.codes)
    assert a[0].blend(b[:, 1], 0.5).codes.shape == (2, 3, 4, 5)


def test_blending_refuses_what_does_not_fit() -> None:
    with pytest.raises(GeneratorMismatchError):
        _codes().blend(WPlus(_codes().codes, "b" * 64), 0.5)
    with pytest.raises(InputError, match="2 variants"):
        _codes().blend(_codes()[:, :2], 0.5)
    with pytest.raises(InputError, match="weight"):
        _codes().blend(_codes(), float("nan"))


def test_to_changes_the_type_only() -> None:
    half = _codes().to(dtype=torch.float16)
    assert half.codes.dtype == torch.float16 and half.generator_id == ID
    assert torch.equal(half.to("cpu", torch.float32).codes, _codes().codes)


def test_codes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        _codes().generator_id = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    "codes",
    [
        torch.zeros(3, 4, 5),
        torch.zeros(0, 1, 4, 5),
        torch.zeros(1, 1, 4, 5, dtype=torch.int64),
        [[1.0]],
    ],
)
def test_codes_of_another_kind_are_refused(codes: object) -> None:
    with pytest.raises(InputError):
        WPlus(codes, ID)  # type: ignore[arg-type]


@pytest.mark.parametrize("generator_id", ["", None])
def test_codes_need_a_generator(generator_id: object) -> None:
    with pytest.raises(InputError, match="id of the generator"):
        WPlus(torch.zeros(1, 1, 4, 5), generator_id)  # type: ignore[arg-type]


def test_check_generator() -> None:
    _codes().check_generator(ID)
    with pytest.raises(GeneratorMismatchError, match="codes of generator bbbb"):
        _codes().check_generator("b" * 64)


def test_variant_seeds_are_fixed_for_good() -> None:
    # A change here changes the images of every shared workflow.
    assert variant_seed(0, 0) == 1301072400202038031
    assert variant_seed(7, 3) == 513300792059185674
    assert variant_seed(MAX_SEED, 0) == 1032221603122847055


def test_neighbouring_seeds_share_no_variant() -> None:
    seeds = [variant_seed(seed, k) for seed in range(100) for k in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(("seed", "k"), [(-1, 0), (2**64, 0), (0, -1), (1.0, 0), (True, 0)])
def test_variant_seed_checks_its_range(seed: int, k: int) -> None:
    with pytest.raises(InputError):
        variant_seed(seed, k)


def test_latents_do_not_depend_on_how_many_there_are() -> None:
    many = sample_z(7, 8, 64)
    assert many.shape == (8, 64) and many.dtype == torch.float32
    assert torch.equal(sample_z(7, 3, 64), many[:3])


def test_latents_leave_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    sample_z(7, 2, 16)
    assert torch.equal(torch.get_rng_state(), before)


def test_latents_are_standard_normal_and_independent() -> None:
    z = sample_z(11, 400, 256)
    # 102400 numbers: the standard error of mean and deviation is about 0.003.
    assert abs(float(z.mean())) < 0.015
    assert abs(float(z.std()) - 1) < 0.015
    correlation = torch.corrcoef(z) - torch.eye(400)
    # 256 numbers a row: a correlation has deviation 1/16; 0.4 is over six of them.
    assert float(correlation.abs().max()) < 0.4


def test_both_halves_of_the_seed_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from diverse_inpainting.core import latents

    drawn = []
    for seed in (5, 5 + (1 << 32), 6):
        monkeypatch.setattr(latents, "variant_seed", lambda _seed, _k, value=seed: value)
        drawn.append(sample_z(0, 1, 32))
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(("num_variants", "z_dim"), [(0, 8), (2, 0), (1.5, 8)])
def test_sample_z_checks_its_sizes(num_variants: int, z_dim: int) -> None:
    with pytest.raises(InputError):
        sample_z(0, num_variants, z_dim)


def test_a_blend_of_some_layers_keeps_the_others() -> None:
    a, b = _codes(), dataclasses.replace(_codes(), codes=_codes().codes + 8)
    mixed = a.blend(b, 0.25, 1, 2).codes
    assert torch.equal(mixed[:, :, [0, 3]], a.codes[:, :, [0, 3]])
    assert torch.equal(mixed[:, :, 1:3], a.codes[:, :, 1:3] + 2)
    with pytest.raises(InputError, match="last_layer"):
        a.blend(b, 0.5, 0, 4)
    with pytest.raises(InputError, match="last_layer"):
        a.blend(b, 0.5, 2, 1)


def test_codes_are_readable_as_text() -> None:
    text = str(_labelled())
    assert text.splitlines()[0] == (
        "style codes: 2 images x 3 variants, 4 layers of 5, generator aaaaaaaaaaaa"
    )
    assert text.splitlines()[1:] == ["a0", "a1", "a2", "b0", "b1", "b2"]
    many = WPlus(torch.ones(1, 10, 2, 3), ID, tuple(f"n{k}" for k in range(10)))
    assert str(many).endswith("\nn7\nand 2 more")
    assert "1 image x 10 variants" in str(many)
