"""Images and masks of every type that people have."""

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image import image_to_unit_bchw
from diverse_inpainting.core.inputs import image_and_alpha, mask_tensor
from image_samples import random_pixels, save, unit


def image_tensor(source):
    return image_and_alpha(source)[0]


def test_an_image_of_every_type_is_the_same_image(tmp_path):
    array = random_pixels(6, 7)
    path = save(tmp_path, Image.fromarray(array))
    sources = [unit(array), array, array / 255.0, Image.fromarray(array), path, str(path)]
    for source in (*sources, array[:, ::-1][:, ::-1]):
        bchw = image_to_unit_bchw(image_tensor(source))
        assert torch.equal(bchw[0], unit(array).movedim(-1, 0))


def test_a_mask_of_every_type_is_the_same_mask(tmp_path):
    array = np.zeros((6, 7), dtype=np.uint8)
    array[2:4, 1:5] = 255
    hole = torch.from_numpy(array > 0)
    path = save(tmp_path, Image.fromarray(array))
    for source in (hole, array > 0, array / 255.0, Image.fromarray(array), path, str(path)):
        assert torch.equal(mask_tensor(source).squeeze().float(), hole.float())


def test_sixteen_bit_greyscale_keeps_its_depth():
    array = np.array([[0, 257, 65535]], dtype=np.uint16)
    assert image_tensor(Image.fromarray(array)).tolist() == [[0.0, np.float32(1 / 255), 1.0]]


@pytest.mark.filterwarnings("error")
def test_arrays_may_be_read_only_and_of_another_byte_order():
    array = np.asarray(Image.fromarray(random_pixels(6, 7)))
    assert not array.flags.writeable
    assert torch.equal(image_tensor(array), torch.tensor(array.tolist(), dtype=torch.uint8))
    unit_array = array / 255.0
    assert torch.equal(image_tensor(unit_array.astype(">f8")), torch.from_numpy(unit_array))


@pytest.mark.parametrize("source", [None, 3, [[0.0]], b"data"])
def test_other_types_are_named(source):
    for convert in (image_tensor, mask_tensor):
        with pytest.raises(InputError, match=type(source).__name__):
            convert(source)
    with pytest.raises(InputError, match="object"):
        image_tensor(np.array([None]))
