"""What users get wrong: the message says what was expected, what came and what to do."""

import dataclasses

import pytest
import torch

ENCODE = {"crop_mode": "picture", "margin": 0.25}


@pytest.fixture
def errors(part):
    return part("core.errors")


def encode(classes, model, image, mask, **chosen):
    return classes["DI_EncodeErased"]().execute(model, image, mask, **{**ENCODE, **chosen})


def test_the_empty_mask_of_load_image_is_explained(classes, model, errors, image):
    with pytest.raises(errors.InputError, match=r"no alpha channel.*64x64.*paint a mask"):
        encode(classes, model, image, torch.zeros(1, 64, 64))


def test_a_mask_that_erases_nothing(classes, model, errors, image):
    with pytest.raises(errors.InputError, match=r"all zeros.*Paint the part to fill"):
        model.inpaint(image, torch.zeros(1, 40, 48))


def test_an_empty_mask_of_the_images_size_encodes_all_of_it(classes, model, image):
    outputs = encode(classes, model, image, torch.zeros(1, 40, 48))
    erased, _, seen = outputs["result"] if isinstance(outputs, dict) else outputs
    assert not erased.hole_mask.any()
    assert erased.valid[0, 0, :, erased.valid.shape[-1] // 2].any()
    [pasted, weight] = classes["DI_Composite"]().execute(erased, 1 - seen, 0)
    assert torch.equal(pasted, image)
    assert not weight.any()


def test_a_mask_of_another_shape(classes, model, errors, image):
    with pytest.raises(errors.InputError, match=r"48 x 40.*got 40 x 48"):
        encode(classes, model, image, torch.ones(1, 48, 40))


def test_a_mask_for_another_number_of_images(classes, model, errors, image):
    with pytest.raises(errors.InputError, match=r"each of the 2 \w+, got 3 hole masks"):
        encode(classes, model, image, torch.ones(3, 40, 48))


def test_a_image_with_nan(classes, model, errors, image, mask):
    image[0, 0, 0, 0] = float("nan")
    with pytest.raises(errors.InputError, match=r"1 of .* NaN"):
        encode(classes, model, image, mask)


def test_unknown_choices_from_an_old_or_edited_workflow(classes, model, errors, image, mask):
    with pytest.raises(errors.InputError, match="Did you mean 'picture'"):
        encode(classes, model, image, mask, crop_mode="pictures")
    with pytest.raises(errors.InputError, match="'sefa'"):
        classes["DI_DiscoverDirection"]().execute(model, "magic", 0, 0, -1)
    with pytest.raises(errors.InputError, match="part to be one of"):
        classes["DI_FindFace"]().execute(image, "tail", 0, 64)
    with pytest.raises(errors.InputError, match="kind to be one of"):
        classes["DI_RandomMask"]().execute("blob", 32, 32, 0, 1, 0.0, 1.0)


def test_codes_of_another_generator(classes, model, errors):
    codes = classes["DI_SampleW"]().execute(model, 0, 1, 1.0)[0]
    foreign = dataclasses.replace(codes, generator_id="f" * 64)
    with pytest.raises(errors.GeneratorMismatchError, match="same model"):
        classes["DI_Synthesize"]().execute(model, foreign)
    with pytest.raises(errors.GeneratorMismatchError, match="same model"):
        classes["DI_GatedMix"]().execute(model, codes, foreign, 0.0)


def test_encoding_with_a_generator_alone(
    classes, part, errors, active_checkpoint, model_folder, image, mask
):
    checkpoint = part("core.checkpoint")
    content = checkpoint.read_checkpoint(active_checkpoint, ("generator",))
    checkpoint.write_checkpoint(model_folder / "alone.safetensors", content)
    model, _ = classes["DI_LoadModel"]().execute("alone.safetensors", "float32")
    with pytest.raises(errors.CheckpointError, match=r"without them\. Use .* Diverse Inpaint"):
        encode(classes, model, image, mask)


def test_a_direction_of_another_generator(classes, model, errors):
    codes = classes["DI_SampleW"]().execute(model, 0, 1, 1.0)[0]
    direction = classes["DI_DiscoverDirection"]().execute(model, "sefa", 0, 0, -1)[0]
    foreign = dataclasses.replace(direction, generator_id="f" * 64)
    with pytest.raises(errors.GeneratorMismatchError):
        classes["DI_ApplyEdit"]().execute(codes, foreign, 1.0, -1, -1)


def test_layers_that_the_model_does_not_have(classes, model, errors):
    with pytest.raises(errors.InputError, match="last_layer"):
        classes["DI_DiscoverDirection"]().execute(model, "sefa", 0, 0, 17)
    with pytest.raises(errors.InputError, match="first_layer"):
        classes["DI_DiscoverDirection"]().execute(model, "sefa", 0, 17, -1)


def test_completions_for_another_number_of_images(classes, model, errors, image, mask):
    erased = encode(classes, model, image, mask)[0]
    with pytest.raises(errors.InputError, match="Connect the completions of these"):
        classes["DI_Composite"]().execute(erased, torch.rand(3, 32, 32, 3), 0)


def test_a_range_of_ratios_that_is_empty(classes, errors):
    with pytest.raises(errors.InputError, match="Lower min_ratio or raise max_ratio"):
        classes["DI_RandomMask"]().execute("box", 32, 32, 0, 1, 0.5, 0.5)


def test_more_variants_kept_than_wanted_and_those_of_another_model(
    classes, model, errors, image, mask
):
    (codes,) = classes["DI_SampleW"]().execute(model, 0, 3, 1.0)
    few = {"seed": 1, "num_variants": 2, "truncation_psi": 1.0}
    with pytest.raises(errors.InputError, match="3 variants are kept, but only 2 are wanted"):
        classes["DI_SampleW"]().execute(model, **few, keep=codes)
    foreign = dataclasses.replace(codes, generator_id="f" * 64)
    with pytest.raises(errors.GeneratorMismatchError, match="same model"):
        classes["DI_SampleW"]().execute(model, **{**few, "num_variants": 3}, keep=foreign)
    settings = {**few, **ENCODE, "gate_bias": 0.0, "feather_px": 0, "strength": 0.0}
    with pytest.raises(errors.GeneratorMismatchError, match="same model"):
        classes["DI_Inpaint"]().execute(
            model, image, mask, **settings, skip_source="edited", keep=foreign
        )


def test_codes_for_another_number_of_images(classes, model, errors, image, mask):
    erased, encoded, _ = encode(classes, model, image, mask)
    three = model.codes(encoded.codes[[0, 1, 0]])
    with pytest.raises(errors.InputError, match=r"codes for 2 images, or for one, got .* for 3"):
        classes["DI_SkipRefine"]().execute(model, erased, three)


def test_a_walk_from_a_single_variant(classes, model, errors):
    (codes,) = classes["DI_SampleW"]().execute(model, 0, 1, 1.0)
    with pytest.raises(errors.InputError, match="two variants or more"):
        classes["DI_WalkW"]().execute(codes, 4, False)


def test_messages_are_sentences_that_say_what_to_do(classes, model, errors, image):
    """What an artist sees: three parts, one natural sentence each, and no traceback words."""
    provoked = []
    masks = (torch.zeros(1, 64, 64), torch.ones(1, 48, 40))
    for wrong in masks:
        with pytest.raises(errors.InputError) as caught:
            encode(classes, model, image, wrong)
        provoked.append(str(caught.value))
    (codes,) = classes["DI_SampleW"]().execute(model, 0, 1, 1.0)
    with pytest.raises(errors.GeneratorMismatchError) as caught:
        classes["DI_Synthesize"]().execute(model, dataclasses.replace(codes, generator_id="f" * 64))
    provoked.append(str(caught.value))
    provoked.append(classes["DI_LoadModel"].VALIDATE_INPUTS("gone.safetensors"))
    provoked.append(classes["DI_LoadDirection"].VALIDATE_INPUTS("gone"))
    provoked.append(classes["DI_LoadW"].VALIDATE_INPUTS("gone.png"))
    for message in provoked:
        assert message.endswith(".") and message.count(".") >= 2, message
        assert "Tensor" not in message and "None" not in message, message


@pytest.mark.parametrize(
    ("node", "value"),
    [("DI_LoadModel", "model_name"), ("DI_LoadDirection", "direction_name"), ("DI_LoadW", "file")],
)
def test_null_in_a_workflow_is_one_sentence(node, value, classes, model, errors):
    others = {"DI_LoadModel": {"precision": "float32"}, "DI_LoadDirection": {"model": model}}
    with pytest.raises(errors.DiverseInpaintingError, match="None"):
        classes[node]().execute(**{value: None}, **others.get(node, {}))
