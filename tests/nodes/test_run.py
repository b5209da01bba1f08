"""Every node on small results, in inference mode as in ComfyUI."""

import dataclasses
import re
import sys
from types import SimpleNamespace

import pytest
import torch

V = 3
INPAINT = {
    "num_variants": V,
    "seed": 2**64 - 1,
    "truncation_psi": 0.8,
    "gate_bias": 0.5,
    "crop_mode": "hole",
    "margin": 0.4,
    "feather_px": 3,
    "strength": 1.5,
    "skip_source": "edited",
}


@pytest.fixture(autouse=True)
def _inference_mode():
    with torch.inference_mode():
        yield


@pytest.fixture
def call(classes):
    """Run a node by id: call("DI_SampleW", model=..., ...)."""
    return lambda node_id, **inputs: classes[node_id]().execute(**inputs)


@pytest.fixture
def direction(call, model):
    chosen = {"method": "sefa", "component": 1, "first_layer": 1, "last_layer": -1}
    return call("DI_DiscoverDirection", model=model, **chosen)[0]


@pytest.fixture
def encoded(call, model, image, mask):
    chosen = {"crop_mode": "hole", "margin": 0.4}
    return call("DI_EncodeErased", model=model, image=image, mask=mask, **chosen)


@pytest.fixture
def mixed(call, model, encoded):
    seeds = {"seed": INPAINT["seed"], "num_variants": V, "truncation_psi": 0.8}
    (random,) = call("DI_SampleW", model=model, **seeds)
    return call("DI_GatedMix", model=model, encoded=encoded[1], random=random, gate_bias=0.5)


def edit(call, codes, direction, strength=1.5):
    layers = {"first_layer": -1, "last_layer": -1}
    return call("DI_ApplyEdit", codes=codes, direction=direction, strength=strength, **layers)[0]


def test_encode_shows_what_the_encoder_saw(encoded):
    erased, codes, seen = encoded
    assert codes.codes.shape == (2, 1, 8, 16)
    assert seen.shape == (2, 32, 32, 3)
    hole = erased.valid.movedim(1, -1).expand_as(seen) == 0
    assert bool(hole.any())
    assert bool((seen[hole] == 0.5).all()), "erased pixels are grey"
    assert float(seen[~hole].std()) > 0.05


def test_sample_depends_on_seed_and_index_alone(call, model):
    few = call("DI_SampleW", model=model, seed=4, num_variants=2, truncation_psi=1.0)[0]
    many = call("DI_SampleW", model=model, seed=4, num_variants=5, truncation_psi=1.0)[0]
    other = call("DI_SampleW", model=model, seed=5, num_variants=5, truncation_psi=1.0)[0]
    torch.testing.assert_close(many.codes[:, :2], few.codes)
    assert not torch.isclose(many.codes, other.codes).all(dim=-1).any()
    mean = call("DI_SampleW", model=model, seed=4, num_variants=2, truncation_psi=0.0)[0]
    torch.testing.assert_close(mean.codes[:, 0], mean.codes[:, 1])


def test_mix_gives_codes_and_one_chart(mixed):
    codes, chart = mixed
    assert codes.codes.shape == (2, V, 8, 16)
    assert chart.shape[0] == 1 and chart.shape[3] == 3
    assert 0.0 <= float(chart.min()) < float(chart.max()) <= 1.0


def test_discover_takes_the_last_layer_for_minus_one(direction, model):
    assert (direction.first_layer, direction.last_layer) == (1, model.num_layers - 1)
    assert direction.generator_id == model.generator_id


def test_edit_moves_its_layers_only(call, mixed, direction):
    codes = mixed[0]
    before = codes.codes.clone()
    moved = call(
        "DI_ApplyEdit",
        codes=codes,
        direction=direction,
        strength=2.0,
        first_layer=2,
        last_layer=4,
    )[0]
    changed = (moved.codes != codes.codes).any(dim=-1).any(dim=0).any(dim=0)
    assert changed.tolist() == [False, False, True, True, True, False, False, False]
    assert torch.equal(codes.codes, before), "inputs are shared: they stay as they are"
    own = edit(call, codes, direction, strength=2.0)
    changed = (own.codes != codes.codes).any(dim=-1).any(dim=0).any(dim=0)
    assert changed.tolist() == [False] + [True] * 7
    assert torch.equal(edit(call, codes, direction, strength=0.0).codes, before)


def test_refine_differs_from_stage_1_and_heeds_the_skip_codes(
    call, model, encoded, mixed, direction
):
    edited = edit(call, mixed[0], direction)
    stage_1 = call("DI_Synthesize", model=model, codes=edited)[0]
    inputs = {"model": model, "erased": encoded[0], "codes": edited}
    refined = call("DI_SkipRefine", **inputs)[0]
    held = call("DI_SkipRefine", **inputs, skip_codes=mixed[0])[0]
    assert stage_1.shape == refined.shape == held.shape == (2 * V, 32, 32, 3)
    assert not torch.equal(stage_1, refined)
    assert not torch.equal(refined, held)


def test_each_blend_gives_another_result(call, encoded, mixed, model):
    images = call("DI_Synthesize", model=model, codes=mixed[0])[0]
    done = {
        blend: call("DI_Composite", erased=encoded[0], images=images, feather_px=3, blend=blend)[0]
        for blend in (None, "seamless", "feather", "paste")
    }
    assert torch.equal(done[None], done["feather"])  # a saved workflow without the widget
    assert not torch.equal(done["seamless"], done["feather"])
    assert not torch.equal(done["seamless"], done["paste"])
    plain = call("DI_Composite", erased=encoded[0], images=images, feather_px=0)[0]
    assert torch.equal(plain, done["seamless"])


def test_composite_keeps_valid_pixels_bit_for_bit(call, model, encoded, mixed, image, mask):
    images = call("DI_Synthesize", model=model, codes=mixed[0])[0]
    done, weight = call("DI_Composite", erased=encoded[0], images=images, feather_px=0)
    assert done.shape == (2 * V, 40, 48, 3)
    stretched = ((mask - 0.5) / 0.8 + 0.5).clamp(0, 1)
    assert torch.equal(weight, (2 * stretched).clamp(max=1).expand(2, -1, -1))
    valid = (mask == 0)[0]
    for index, one in enumerate(done):
        assert torch.equal(one[valid], image[index // V][valid])
        assert not torch.equal(one[~valid], image[index // V][~valid])


def test_composite_blends_where_the_blend_mask_says(call, model, encoded, mixed, image):
    images = call("DI_Synthesize", model=model, codes=mixed[0])[0]
    blend = torch.zeros(1, 40, 48)
    blend[:, 18:20, 20:22] = 1.0
    chosen = {"erased": encoded[0], "images": images, "blend_mask": blend}
    done, weight = call("DI_Composite", feather_px=0, **chosen)
    changed = (done[0] != image[0]).any(dim=-1)
    assert torch.equal(changed, blend[0] > 0)
    wide, feathered = call("DI_Composite", feather_px=4, **chosen)
    assert float(feathered.sum()) > float(weight.sum())
    assert int((wide[0] != image[0]).any(dim=-1).sum()) > int(changed.sum())


@pytest.mark.parametrize("skip_source", ["edited", "unedited", "none"])
def test_the_chain_equals_inpaint_bit_for_bit(
    call, model, encoded, mixed, direction, image, mask, skip_source
):
    inputs = {**INPAINT, "skip_source": skip_source}
    results, codes, pasted = call(
        "DI_Inpaint", model=model, image=image, mask=mask, direction=direction, **inputs
    )
    edited = edit(call, mixed[0], direction)
    if skip_source == "none":
        images = call("DI_Synthesize", model=model, codes=edited)[0]
    else:
        source = mixed[0] if skip_source == "unedited" else None
        images = call(
            "DI_SkipRefine", model=model, erased=encoded[0], codes=edited, skip_codes=source
        )[0]
    chain, opacity = call("DI_Composite", erased=encoded[0], images=images, feather_px=3)
    assert torch.equal(codes.codes, edited.codes)
    assert results.shape == (2 * V, 40, 48, 3) and pasted.shape == (2, 40, 48)
    assert torch.equal(results, chain) and torch.equal(pasted, opacity)


def test_the_chain_with_far_holes_equals_inpaint_bit_for_bit(call, model):
    image = torch.rand(2, 80, 300, 3, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(2, 80, 300)
    mask[0, 30:40, 20:40], mask[:, 50:60, 220:250] = 1, 1
    chosen = {"model": model, "image": image, "mask": mask, "crop_mode": "holes", "margin": 0.4}
    erased, codes, seen = call("DI_EncodeErased", **chosen)
    assert len(seen) == codes.batch == 3
    seeds = {"seed": INPAINT["seed"], "num_variants": V, "truncation_psi": 0.8}
    (random,) = call("DI_SampleW", model=model, **seeds)
    mixing = {"model": model, "encoded": codes, "random": random, "gate_bias": 0.5}
    codes = call("DI_GatedMix", **mixing)[0]
    (codes,) = call("DI_FitCodes", model=model, erased=erased, codes=codes, steps=1)
    (images,) = call("DI_SkipRefine", model=model, erased=erased, codes=codes)
    chain, opacity = call("DI_Composite", erased=erased, images=images, feather_px=3)
    whole = call("DI_Inpaint", **{**INPAINT, **chosen}, fit_steps=1)
    assert chain.shape == (2 * V, 80, 300, 3)
    assert torch.equal(chain, whole[0]) and torch.equal(opacity, whole[2])
    assert torch.equal(codes.codes, whole[1].codes)


def test_inpaint_without_direction_ignores_the_strength(call, model, image, mask, mixed):
    codes = call("DI_Inpaint", model=model, image=image, mask=mask, **INPAINT)[1]
    assert torch.equal(codes.codes, mixed[0].codes)


def test_inpaint_logs_the_warnings(call, model, image, mask, caplog, monkeypatch):
    inpaint = model.inpaint

    def inpaint_with_warnings(*args, **kwargs):
        return dataclasses.replace(inpaint(*args, **kwargs), warnings=("no cat", "no face"))

    monkeypatch.setattr(model, "inpaint", inpaint_with_warnings)
    call("DI_Inpaint", model=model, image=image, mask=mask, **INPAINT)
    assert caplog.messages == ["no cat", "no face"]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_fit_moves_codes_and_keeps_its_inputs(call, model, encoded, mixed):
    before = mixed[0].codes.clone()
    inputs = {"model": model, "erased": encoded[0], "codes": mixed[0]}
    (fitted,) = call("DI_FitCodes", **inputs, steps=3)
    assert fitted.codes.shape == (2, V, 8, 16)
    assert not torch.isclose(fitted.codes, before).flatten(2).all(dim=2).any()
    assert torch.equal(mixed[0].codes, before), "inputs are shared: they stay as they are"
    (same,) = call("DI_FitCodes", **inputs, steps=0)
    assert torch.equal(same.codes, before)


def test_the_chain_with_fitting_equals_inpaint_bit_for_bit(
    call, model, encoded, mixed, image, mask
):
    results, codes, _ = call(
        "DI_Inpaint", model=model, image=image, mask=mask, **INPAINT, fit_steps=2
    )
    (fitted,) = call("DI_FitCodes", model=model, erased=encoded[0], codes=mixed[0], steps=2)
    images = call("DI_SkipRefine", model=model, erased=encoded[0], codes=fitted)[0]
    chain = call("DI_Composite", erased=encoded[0], images=images, feather_px=3)[0]
    assert torch.equal(codes.codes, fitted.codes)
    assert torch.equal(results, chain)


def test_cancelling_ends_the_fitting_and_leaves_the_model_usable(
    call, model, encoded, mixed, monkeypatch
):
    """ComfyUI's progress bar raises its interruption, which no node may catch."""

    class InterruptProcessingException(Exception):  # noqa: N818 - ComfyUI's name
        pass

    class ProgressBar:
        def __init__(self, total):
            pass

        def update_absolute(self, value, total):
            shown.append((value, total))
            if value == 8:
                raise InterruptProcessingException

    shown = []
    monkeypatch.setitem(sys.modules, "comfy.utils", SimpleNamespace(ProgressBar=ProgressBar))
    inputs = {"model": model, "erased": encoded[0], "codes": mixed[0]}
    with pytest.raises(InterruptProcessingException):
        call("DI_FitCodes", **inputs, steps=4)
    assert shown == [(2, 24), (4, 24), (6, 24), (8, 24)]
    monkeypatch.delitem(sys.modules, "comfy.utils")
    assert call("DI_FitCodes", **inputs, steps=4)[0].codes.isfinite().all()


@pytest.fixture
def generator_alone(call, part, active_checkpoint, model_folder):
    """A model of a generator without any other part, from a file."""
    checkpoint = part("core.checkpoint")
    content = checkpoint.read_checkpoint(active_checkpoint, ("generator",))
    checkpoint.write_checkpoint(model_folder / "alone.safetensors", content)
    return call("DI_LoadModel", model_name="alone.safetensors", precision="float32")[0]


def test_inpaint_fits_random_codes_for_a_generator_alone(
    call, generator_alone, image, mask, caplog
):
    chosen = {**INPAINT, "fit_steps": 2, "feather_px": 0}
    answer = call("DI_Inpaint", model=generator_alone, image=image, mask=mask, **chosen)
    assert "no encoder" in answer["ui"]["warnings"][0]
    results, codes, _ = answer["result"]
    assert results.shape == (2 * V, 40, 48, 3) and codes.codes.shape == (2, V, 8, 16)
    valid = (mask == 0)[0]
    assert all(torch.equal(one[valid], image[i // V][valid]) for i, one in enumerate(results))
    assert not torch.equal(results[0], results[1])
    assert "no encoder" in caplog.text


def test_random_masks_fit_images_that_are_not_square(call):
    chosen = {"width": 40, "height": 24, "count": 3, "min_ratio": 0.2, "max_ratio": 0.6}
    (masks,) = call("DI_RandomMask", kind="box", seed=9, **chosen)
    assert masks.shape == (3, 24, 40)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    again = call("DI_RandomMask", kind="box", seed=9, **{**chosen, "count": 1})[0]
    assert torch.equal(again[0], masks[0])
    assert not torch.equal(call("DI_RandomMask", kind="box", seed=8, **chosen)[0], masks)


def test_random_masks_of_strips_are_never_empty(call):
    chosen = {"width": 64, "height": 8, "count": 40, "min_ratio": 0.0, "max_ratio": 1.0}
    (masks,) = call("DI_RandomMask", kind="mat-small", seed=0, **chosen)
    assert masks.shape == (40, 8, 64)
    assert bool(masks.flatten(1).any(dim=1).all())
    (fewer,) = call("DI_RandomMask", kind="mat-small", seed=0, **{**chosen, "count": 7})
    assert torch.equal(fewer, masks[:7])


def test_random_masks_are_usable_as_they_come(call, model, image):
    chosen = {"width": 48, "height": 40, "count": 2, "min_ratio": 0.1, "max_ratio": 0.9}
    (masks,) = call("DI_RandomMask", kind="paper", seed=1, **chosen)
    results = call("DI_Inpaint", model=model, image=image, mask=masks, **INPAINT)[0]
    assert bool(results.isfinite().all())


def test_results_come_back_on_the_cpu_without_gradients(encoded, mixed):
    for tensor in (encoded[1].codes, encoded[2], mixed[0].codes, mixed[1]):
        assert tensor.device.type == "cpu"
        assert tensor.dtype == torch.float32
        assert not tensor.requires_grad


@pytest.fixture
def cat(root, part):
    """A bundled picture in a corner of a larger, grey one, [1, 300, 400, 3]."""
    path = root / "core/weights/pictures/pixabay_cat_000336.jpg"
    image = torch.full((1, 300, 400, 3), 0.5)
    small = part("core.image_files").read_image(path).image
    side = small.shape[1]
    image[:, 20 : 20 + side, 100 : 100 + side] = small
    return image, (100 + side / 2, 20 + side / 2, side)


def test_find_face_shows_the_face_and_masks_its_part(call, cat):
    image, (x, y, side) = cat
    face, mask = call("DI_FindFace", image=image, part="muzzle", index=0, side=64)
    assert face.shape == (1, 64, 64, 3) and mask.shape == (1, 300, 400)
    assert face.min() >= 0 and face.max() <= 1
    rows, columns = mask[0].nonzero(as_tuple=True)
    assert columns.float().mean().item() == pytest.approx(x, abs=0.15 * side)
    assert rows.float().mean().item() == pytest.approx(y + 0.23 * side, abs=0.15 * side)
    whole = call("DI_FindFace", image=image, part="face", index=0, side=64)[1]
    assert whole.sum() > 2 * mask.sum()


def test_find_face_without_a_face_says_so(call, cat, caplog):
    image, _ = cat
    answer = call("DI_FindFace", image=image, part="eyes", index=9, side=32)
    face, mask = answer["result"]
    assert mask.max() == 0 and face.shape == (1, 32, 32, 3)
    (message,) = answer["ui"]["warnings"]
    assert re.fullmatch(r"The image: there is no face 9; .+ found, counted from 0\.", message)
    assert caplog.messages == [message]
    answer = call("DI_FindFace", image=torch.zeros(1, 64, 64, 3), part="eyes", index=0, side=32)
    assert answer["ui"]["warnings"] == ["The image: no face was found."]


def test_the_mask_of_a_part_is_completed_in_the_face(call, model, cat):
    image, _ = cat
    mask = call("DI_FindFace", image=image, part="muzzle", index=0, side=64)[1]
    settings = {**INPAINT, "crop_mode": "face", "feather_px": 0}
    answer = call("DI_Inpaint", model=model, image=image, mask=mask, **settings)
    images, _, _ = answer["result"] if isinstance(answer, dict) else answer
    kept = mask[0] == 0
    assert torch.equal(images[:, kept], image[:, kept].expand(V, -1, -1))
    assert (images[0] != image[0])[~kept].any()


@pytest.mark.parametrize("node_id", ["DI_Inpaint", "DI_EncodeErased"])
def test_nodes_that_take_the_picture_warn_of_one_that_the_model_does_not_know(
    call, model, image, mask, part, monkeypatch, node_id
):
    inputs = {"model": model, "image": image, "mask": mask, "crop_mode": "picture", "margin": 0.25}
    if node_id == "DI_Inpaint":
        inputs |= {"num_variants": 1, "seed": 0, "truncation_psi": 1.0, "gate_bias": 0.0}
        inputs |= {"feather_px": 0, "strength": 0.0, "skip_source": "edited"}
    plain = call(node_id, **inputs)
    networks = part("core.networks")
    judge = networks.Familiarity(networks.FamiliarityConfig()).eval().requires_grad_(False)
    judge.output.bias += 1000
    monkeypatch.setattr(model.model, "familiarity", judge)
    warned = call(node_id, **inputs)
    assert len(warned["ui"]["warnings"]) == len(image) and len(warned["result"]) == len(plain)


@pytest.mark.parametrize(("num_images", "num_masks"), [(1, 3), (3, 1), (3, 3)])
def test_one_image_or_one_mask_of_any_size_that_fits_serves_all(call, model, num_images, num_masks):
    images = torch.rand(num_images, 40, 48, 3)
    masks = torch.zeros(num_masks, 80, 96)  # twice as large
    masks[:, 20:50, 30:60] = 1.0
    inputs = {"model": model, "image": images, "mask": masks}
    results, codes, pasted = call("DI_Inpaint", **inputs, **INPAINT)
    assert results.shape == (3 * V, 40, 48, 3)
    assert codes.batch == len(pasted) == 3
    erased, encoded, seen = call("DI_EncodeErased", **inputs, crop_mode="picture", margin=0.0)
    assert encoded.batch == len(seen) == 3
    done, _ = call("DI_Composite", erased=erased, images=results[:, :40, :40], feather_px=0)
    assert len(done) == 3 * V
    for index, one in enumerate(done):
        original = images[index // V if num_images == 3 else 0]
        assert torch.equal(one[:5], original[:5])


def test_codes_of_one_image_serve_all(call, model, encoded, mixed):
    erased, one = encoded[0], mixed[0][0]
    (images,) = call("DI_SkipRefine", model=model, erased=erased, codes=one)
    assert len(images) == 2 * V
    assert not torch.equal(images[:V], images[V:]), "each is refined to its own image"
    (fitted,) = call("DI_FitCodes", model=model, erased=erased, codes=one, steps=1)
    assert fitted.batch == 2
