"""Which images and masks are measured on, and how they are written out."""

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.masks import sample_hole_masks
from diverse_inpainting.evaluation import protocol
from diverse_inpainting.evaluation.images import Storage
from diverse_inpainting.evaluation.protocol import Protocol, write_pairs
from evaluation_samples import in_threads


@pytest.fixture
def data(tmp_path):
    """Seven images of one colour each, two of them in a folder."""
    for i, name in enumerate(["a", "b", "c", "d", "e", "f/a", "f/b"]):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (10 * i, 0, 0)).save(path)
    return tmp_path / "data"


@pytest.fixture
def select(data, tmp_path):
    """What make_pairs selects from the data."""

    def answer(resolution=16, masks="paper", seed=0, without=(), **options):
        plan = Protocol(data=data, resolution=resolution, masks=masks, seed=seed, **options)
        return protocol.make_pairs(plan, Storage(tmp_path / "out"), without)

    return answer


@pytest.fixture
def make_pairs(select):
    return lambda *arguments, **options: select(*arguments, **options).pairs


def test_names_images_and_masks(make_pairs):
    pairs = make_pairs(16, "mat-large", 3)
    assert pairs.names == ("a", "b", "c", "d", "e", "f_a", "f_b")
    originals = pairs.originals[:]
    assert originals.shape == (7, 3, 16, 16) and originals.dtype == torch.uint8
    assert originals[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert torch.equal(pairs.holes[:], sample_hole_masks("mat-large", 7, 16, 3) > 0)


def test_an_image_keeps_its_mask_whatever_the_count(make_pairs):
    whole, part = make_pairs(), make_pairs(count=3)
    assert part.names == ("a", "c", "e"), "evenly spaced"
    chosen = torch.tensor([whole.names.index(name) for name in part.names])
    assert torch.equal(part.holes[:], whole.holes[chosen])
    assert torch.equal(part.originals[:], whole.originals[chosen])
    assert make_pairs(count=99).names == whole.names


def test_other_methods_find_images_and_masks_on_disk(make_pairs, tmp_path):
    pairs = make_pairs(count=3)
    for _ in range(2):  # a second run of the same evaluation is welcome
        write_pairs(pairs, tmp_path / "pairs")
    for name, original, hole in zip(pairs.names, pairs.originals[:], pairs.holes[:], strict=True):
        image = Image.open(tmp_path / "pairs" / "pictures" / f"{name}.png")
        mask = Image.open(tmp_path / "pairs" / "masks" / f"{name}.png")
        assert np.array_equal(np.array(image), original.movedim(0, -1).numpy())
        assert np.array_equal(np.array(mask), 255 * hole[0].numpy())
    with pytest.raises(InputError, match="such as c"):
        write_pairs(make_pairs(count=4), tmp_path / "pairs")
    with pytest.raises(InputError, match="masks to be empty"):
        write_pairs(make_pairs(seed=1, count=3), tmp_path / "pairs")


def test_names_that_differ_only_in_case_are_refused(data, make_pairs):
    Image.new("RGB", (32, 32)).save(data / "B.jpg")
    with pytest.raises(InputError, match=r"B twice|b twice"):
        make_pairs()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resolution": 8}, "resolution"),
        ({"resolution": 48}, "power of two"),
        ({"masks": "papier"}, "did you mean 'paper'"),
        ({"count": 2}, "at least 3 images"),
        ({"hole_range": (0.4, 0.2)}, "hole_range whose first number"),
        ({"masks": "half", "hole_range": (0.0, 0.2)}, "None of 2000 'half' masks"),
        ({"inverted": True}, "masks from files, to be inverted"),
    ],
)
def test_unusable_protocols(make_pairs, options, words):
    with pytest.raises(InputError, match=f"(?i){words}"):
        make_pairs(**options)


# --- which images, which holes ---


def test_all_images_with_holes_in_a_range(select):
    chosen = select(32, hole_range=(0.2, 0.4))
    assert len(chosen.pairs.names) == 7 and chosen.pairing == "sampled"
    assert ((chosen.pairs.ratios >= 0.2) & (chosen.pairs.ratios < 0.4)).all()
    expected = sample_hole_masks("paper", 7, 32, 0, (0.2, 0.4)) > 0
    assert torch.equal(chosen.pairs.holes[:], expected)


def test_an_image_keeps_its_mask_if_others_are_left_out(select):
    whole, part = select(), select(without=("b.png", "f/a.png"))
    assert part.files == ["a.png", "c.png", "d.png", "e.png", "f/b.png"]
    kept = torch.tensor([whole.files.index(file) for file in part.files])
    assert torch.equal(part.pairs.holes[:], whole.pairs.holes[kept])


def write_masks(folder, rows_by_name, side=16):
    """Masks whose upper rows are white."""
    for name, rows in rows_by_name.items():
        mask = np.zeros((side, side), np.uint8)
        mask[:rows] = 255
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    return str(folder)


def test_given_masks_belong_to_the_images_of_their_names(select, tmp_path):
    rows = {name: 2 * k + 2 for k, name in enumerate(["f/b", "f/a", "e", "d", "c", "b", "a"])}
    masks = write_masks(tmp_path / "masks", {**rows, "unused": 1})
    chosen = select(masks=masks)
    assert chosen.pairing == "name"
    assert chosen.pairs.ratios.tolist() == [n / 16 for n in (14, 12, 10, 8, 6, 4, 2)]
    assert chosen.pairs.holes[:][0, 0, :, 3].tolist() == [True] * 14 + [False] * 2
    within = select(masks=masks, hole_range=(0.25, 0.6))
    assert within.pairs.names == ("d", "e", "f_a"), "c has 10/16, f/b 2/16"
    part = select(masks=masks, count=3)
    assert part.pairs.names == ("a", "c", "e") and part.pairs.ratios.tolist() == [
        14 / 16,
        10 / 16,
        6 / 16,
    ]


def test_given_masks_with_other_names_are_taken_in_order(select, tmp_path):
    masks = write_masks(tmp_path / "masks", {f"{k:03d}": k + 1 for k in range(12)})
    chosen = select(masks=masks)
    assert chosen.pairing == "order"
    assert chosen.pairs.ratios.tolist() == [(k + 1) / 16 for k in range(7)]
    within = select(masks=masks, hole_range=(0.25, 1.0))
    assert within.pairs.ratios.tolist() == [(k + 4) / 16 for k in range(7)]
    with pytest.raises(InputError, match=r"a mask for each of 7 images.*5 among the 12.*--count 5"):
        select(masks=masks, hole_range=(0.5, 1.0))
    assert len(select(masks=masks, hole_range=(0.5, 1.0), count=5).files) == 5
    with pytest.raises(InputError, match=r"got 1 among the 12.*masks\. Give more masks"):
        select(masks=masks, hole_range=(0.7, 1.0))


def test_two_masks_of_one_name_are_refused(select, tmp_path):
    masks = write_masks(tmp_path / "masks", dict.fromkeys(["f/b", "f/a", "e", "d", "c", "b"], 4))
    write_masks(tmp_path / "masks", {"a": 4})
    (tmp_path / "masks" / "a.bmp").write_bytes((tmp_path / "masks" / "a.png").read_bytes())
    with pytest.raises(InputError, match="a twice"):
        select(masks=masks)


def test_masks_for_some_of_the_images_are_refused(select, tmp_path):
    with pytest.raises(InputError, match=r"none named as a\.png, and 1 that"):
        select(masks=write_masks(tmp_path / "masks", {"f/a": 4, "x": 4}))


def test_processes_select_what_one_selects(data, select, tmp_path):
    plan = Protocol(data=data, resolution=16)
    alone = select().pairs

    def work(processes):
        pairs = protocol.make_pairs(plan, Storage(tmp_path / "both", processes)).pairs
        return pairs.names, pairs.originals[:], pairs.holes[:]

    for names, originals, holes in in_threads(3, work):
        assert names == alone.names
        assert torch.equal(originals, alone.originals[:]) and torch.equal(holes, alone.holes[:])
