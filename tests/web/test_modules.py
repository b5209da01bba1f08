"""The page's modules in Node, against the library."""

import base64
import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from diverse_inpainting.core.code_files import PNG_KEY, read_codes
from diverse_inpainting.core.compositing import composites
from diverse_inpainting.core.directions import Direction, apply_direction
from diverse_inpainting.core.geometry import erase
from diverse_inpainting.core.latents import WPlus, sample_z, variant_seed
from diverse_inpainting.core.masks import sample_hole_masks
from web_page import evaluate

pytestmark = pytest.mark.browser

GENERATOR_ID = "ab" * 32


@pytest.mark.parametrize(
    ("seed", "k", "size"),
    [(0, 0, 256), (7, 3, 512), (2**64 - 1, 15, 16), (2**40 + 5, 2, 100), (5, 1, 7), (9, 4, 1)],
)
def test_random_codes_are_those_of_the_library(seed, k, size):
    """Of all kinds of sizes that torch draws in different ways."""
    call = "[variantSeed(values[0], values[1]), sampleZ(...values)]"
    hashed, z = evaluate({"codes.mjs": ["variantSeed", "sampleZ"]}, call, str(seed), k, size)
    assert int(hashed) == variant_seed(seed, k)
    assert torch.tensor(z).sub(sample_z(seed, 1, size, first=k)[0]).abs().max() < 2e-6


def box(height, width, top, bottom, left, right):
    mask = torch.zeros(height, width)
    mask[top:bottom, left:right] = 1
    return mask


HOLES = {
    "strokes": sample_hole_masks("paper", 1, 64, 0, (0.1, 0.5))[0, 0],
    "wide picture": box(70, 91, 10, 50, 20, 61),
    "tall picture, at its edge": box(131, 70, 100, 131, 0, 30),
    "one row": box(150, 200, 70, 71, 90, 91),
    "nearly all": box(40, 50, 0, 40, 1, 50),
    "over a million pixels": box(1200, 1300, 20, 1150, 30, 1250),
}


@pytest.mark.parametrize("mode", ["picture", "hole"])
@pytest.mark.parametrize("name", HOLES)
def test_pictures_are_erased_and_completed_as_by_the_library(name, mode, generator):
    mask, R = HOLES[name], 32
    H, W = mask.shape
    coarse = torch.rand(1, 3, H // 9 + 2, W // 9 + 2, generator=generator)
    smooth = F.interpolate(coarse, size=(H, W), mode="bicubic")
    noisy = 220 * smooth + 20 * torch.rand(1, 3, H, W, generator=generator)
    image = noisy.round().clamp(0, 255).to(torch.uint8).movedim(1, -1)
    completed = torch.rand(1, R, R, 3, generator=generator)
    erased = erase(image, mask[None], R, crop_mode=mode)
    [expected] = composites(erased, completed, blend="seamless").variants(0, torch.uint8)
    rgba = F.pad(image[0], (0, 1), value=255)
    packed = base64.b64encode(rgba.numpy().tobytes()).decode()
    holes = base64.b64encode(mask.to(torch.uint8).numpy().tobytes()).decode()
    planes = completed[0].movedim(-1, 0).flatten(1).tolist()
    seen, valid, area, filled = evaluate(_IMPORTS, _COMPLETE, packed, holes, W, H, mode, R, planes)
    assert (torch.tensor(seen).view(3, R, R) - erased.erased[0]).abs().max() < 2e-6
    assert torch.equal(torch.tensor(valid).view(1, R, R), erased.valid[0])
    result = image[0].clone()
    rows, columns = slice(area["top"], area["bottom"]), slice(area["left"], area["right"])
    part = np.frombuffer(base64.b64decode(filled), np.uint8)
    size = rows.stop - rows.start, columns.stop - columns.start
    result[rows, columns] = torch.from_numpy(part.reshape(*size, 4)[..., :3].copy())
    assert (result.int() - expected.int()).abs().max() <= 1
    assert torch.equal(result[mask == 0], image[0][mask == 0])


_IMPORTS = {"geometry.mjs": ["extent", "fitCrop", "extract"], "blending.mjs": ["Hole"]}
_COMPLETE = """(() => {
  const bytes = (text) => Uint8Array.from(Buffer.from(text, "base64"));
  const [rgba, mask] = [bytes(values[0]), bytes(values[1])];
  const [W, H, mode, R, planes] = values.slice(2);
  const box = extent(mask, W, H);
  const crop = fitCrop(box, mode, W, H);
  const { erased, valid } = extract(rgba, mask, W, H, crop, R);
  const hole = new Hole(rgba, mask, W, H, box, crop, R);
  const filled = Buffer.from(hole.fill(planes.map((plane) => Float32Array.from(plane))));
  return [erased, valid, hole.area, filled.toString("base64")];
})()"""


def test_a_png_holds_its_pixels_and_codes(tmp_path, generator):
    image = torch.randint(0, 256, (5, 7, 4), dtype=torch.uint8, generator=generator)
    codes = torch.randn(3, 4, generator=generator)
    call = f"""encodePng(Uint8Array.from(values[0]), 7, 5, {{
      {PNG_KEY!r}: codesAsText(Float32Array.from(values[1]), [3, 4], values[2], "seed 7 / #3"),
    }})"""
    imports = {"png.mjs": ["encodePng"], "codefile.mjs": ["codesAsText"]}
    data = bytes(
        evaluate(imports, call, image.flatten().tolist(), codes.flatten().tolist(), GENERATOR_ID)
    )
    (tmp_path / "result.png").write_bytes(data)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), image[..., :3].numpy())
    stored = read_codes(tmp_path / "result.png")
    assert torch.equal(stored.codes, codes[None, None])
    assert (stored.generator_id, stored.labels) == (GENERATOR_ID, ("seed 7 / #3",))


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_sliders_move_codes_as_the_library_does(shape, generator):
    vector, codes = (torch.randn(s, generator=generator) for s in (shape, (3, 4)))
    texts = {"name": "a", "unit": "", "source": "", "description": ""}
    direction = Direction(
        vector=vector, generator_id=GENERATOR_ID, first_layer=1, last_layer=2, **texts
    )
    expected = apply_direction(WPlus(codes[None, None], GENERATOR_ID), direction, 1.5).codes[0, 0]
    told = {"a": {"vector": vector.tolist(), "first_layer": 1, "last_layer": 2}}
    call = """(() => {
      const codes = Float32Array.from(values[0]);
      edit(codes, values[1], { a: 1.5 }, 4);
      return codes;
    })()"""
    moved = evaluate({"networks.mjs": ["edit"]}, call, codes.flatten().tolist(), told)
    assert torch.allclose(torch.tensor(moved).view(3, 4), expected, atol=1e-6)


def test_strokes_erase_what_is_within_their_radius():
    strokes = [
        {"kind": "paint", "radius": 4, "points": [5, 5, 20, 9]},
        {"kind": "box", "radius": 0, "points": [30, 20, 22, 40]},
        {"kind": "restore", "radius": 3, "points": [12, 7]},
    ]
    found = evaluate({"strokes.mjs": ["rasterise"]}, "rasterise(values[0], 33, 31)", strokes)
    y, x = np.mgrid[:31, :33] + 0.5
    along = np.clip(((x - 5) * 15 + (y - 5) * 4) / (15**2 + 4**2), 0, 1)
    stroke = np.hypot(x - 5 - 15 * along, y - 5 - 4 * along) <= 4
    corners = (x > 22) & (x < 30) & (y > 20) & (y < 40)
    expected = (stroke | corners) & ~(np.hypot(x - 12, y - 7) <= 3)
    assert np.array_equal(np.reshape(found, (31, 33)), expected)


STATE = """{
  example: "grey longhair", crop: "hole", seed: 18446744073709551615n, selected: "blend",
  strokes: [
    { kind: "paint", radius: 300, points: [-5, 7, 4000, 2] },
    { kind: "box", radius: 0, points: [1, 2, 3, 4] },
  ],
  slots: [{ seed: 5n, k: 0, locked: true }, { seed: 6n, k: 1, locked: false }],
  blend: { from: 0, to: 1, weight: 0.25 }, sliders: { "white chin": -1.5, warmth: 0 },
}"""


def test_a_link_brings_the_state_back():
    call = (
        f"(() => {{ const state = {STATE}; return [fromHash('#' + toHash(state), 2), state]; }})()"
    )
    found, state = evaluate({"share.mjs": ["fromHash", "toHash"]}, call)
    assert found.pop("locked") == [{"k": 0, "seed": "5"}]
    assert found.pop("sliders") == {"white chin": -1.5}
    assert found == {name: state[name] for name in found}
    assert set(found) == {"example", "crop", "seed", "selected", "strokes", "blend"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "#s=-1&v=99&c=x",
        "#s=18446744073709551616",
        "#m=!!!",
        "#m=ABIS6AHi",
        "#b=0-5-0.5",
        "#l=9-x.-&e=a~b",
    ],
)
def test_wrong_links_say_nothing(text):
    found = evaluate({"share.mjs": ["fromHash"]}, "fromHash(values[0], 4)", text)
    assert found == {"locked": [], "sliders": {}}


def test_a_browser_without_webassembly_gets_a_sentence():
    call = """(async () => {
      delete globalThis.WebAssembly;
      return loadRuntime({}, {}).catch((error) => [error instanceof PageError, error.message]);
    })()"""
    is_known, message = evaluate({"networks.mjs": ["loadRuntime", "PageError"]}, call)
    assert is_known
    assert message.startswith("This browser has no WebAssembly")
