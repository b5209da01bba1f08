"""Make every published image again from the bundled model.

    python experiments/publish.py

Run it after a new model, and look at everything that it writes. Images and samples are chosen by
index, not by taste.

    web/docs/demo.jpg                          the sheet of `diverse-inpainting demo`
    web/docs/samples.jpg                       bundled photographs x kinds of mask x variants
    web/docs/edits.jpg                         completions of the demo moved along each direction
    web/docs/directions/NAME.jpg               random samples moved along each direction
    docs/icon.png                              for the registry: erased and three completions
    docs/banner.jpg                            for the registry, 21:9: a row per photograph
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image
from torch import Tensor

from diverse_inpainting import Edit, Inpainter
from diverse_inpainting.cli.direction_recipes import file_stem
from diverse_inpainting.cli.directions import STRENGTHS, strip
from diverse_inpainting.cli.result_files import ResultFiles
from diverse_inpainting.cli.result_writing import save_results
from diverse_inpainting.core.contact_sheet import contact_sheet, show_erased
from diverse_inpainting.core.examples import EXAMPLES, PHOTOGRAPH, demo_input
from diverse_inpainting.core.image_files import read_image, to_pil
from diverse_inpainting.core.masks import sample_hole_masks

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "web" / "docs"
STRIPS = DOCS / "directions"

MASK_KINDS = ("box", "half", "paper")
NUM_VARIANTS = 4
SMALL_PX, MEDIUM_PX = 96, 128
ICON_PX, BANNER_PX = 400, 180  # the registry's largest icon; a banner of seven cells by three
JPEG_QUALITY = 88


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=__doc__, formatter_class=formatter).parse_args()
    model = Inpainter.load("cats", precision="float32")
    save(draw_demo(model), DOCS / "demo.jpg")
    save(draw_samples(model), DOCS / "samples.jpg")
    save(draw_icon(model), ROOT / "docs" / "icon.png")
    save(draw_banner(model), ROOT / "docs" / "banner.jpg")
    if model.directions:
        save(draw_edits(model), DOCS / "edits.jpg")
    for old in STRIPS.glob("*.jpg"):
        old.unlink()
    for name, direction in model.directions.items():
        save(strip(model, direction, STRENGTHS), STRIPS / f"{file_stem(name)}.jpg")


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    picture.save(path, quality=JPEG_QUALITY, optimize=True)
    print(path.relative_to(ROOT), f"{path.stat().st_size / 1024:.0f} KiB")


def draw_demo(model: Inpainter) -> Image.Image:
    """Return the sheet that the command writes."""
    with tempfile.TemporaryDirectory() as folder:
        files = ResultFiles(Path(folder), PHOTOGRAPH.stem, 8)
        file, hole_mask = read_image(PHOTOGRAPH), demo_input()[1]
        save_results(model.inpaint(file.image, hole_mask), file, files)
        with Image.open(files.sheet) as sheet:
            return sheet.convert("RGB")


def draw_samples(model: Inpainter) -> Image.Image:
    """Return one row for each photograph: erased and completed for each kind of mask."""
    rows = []
    for index, path in enumerate(EXAMPLES.values()):
        image = read_image(path).image
        row: list[Tensor] = []
        for kind in MASK_KINDS:
            hole = sample_hole_masks(kind, 1, image.shape[1], seed=0, first=index)[:, 0]
            completed = model.inpaint(image, hole, NUM_VARIANTS, seed=0).images[0]
            row += [show_erased(image[0], hole[0]), *completed.cpu()]
        rows.append(row)
    last = [label for kind in MASK_KINDS for label in (kind, *map(str, range(NUM_VARIANTS)))]
    blank = [[""] * len(last)] * (len(rows) - 1)
    return contact_sheet(rows, [*blank, last], cell_px=SMALL_PX)


def draw_icon(model: Inpainter) -> Image.Image:
    """Return the erased demo and three completions, two by two."""
    image, hole = demo_input()
    cells = [show_erased(image[0], hole[0]), *model.inpaint(image, hole, 3).images[0].cpu()]
    return tile(cells, ICON_PX // 2, columns=2)


def draw_banner(model: Inpainter) -> Image.Image:
    """Return one row for each of three photographs: erased and six completions."""
    cells: list[Tensor] = []
    for index, path in enumerate(list(EXAMPLES.values())[:3]):
        image = read_image(path).image
        hole = sample_hole_masks("half", 1, image.shape[1], seed=0, first=index)[:, 0]
        completed = model.inpaint(image, hole, 6).images[0]
        cells += [show_erased(image[0], hole[0]), *completed.cpu()]
    return tile(cells, BANNER_PX, columns=7)


def tile(cells: list[Tensor], side: int, columns: int) -> Image.Image:
    """Return images [H, W, 3] side by side, each scaled to a square."""
    squares = [to_pil(cell).resize((side, side), Image.Resampling.LANCZOS) for cell in cells]
    sheet = Image.new("RGB", (columns * side, len(cells) // columns * side))
    for number, square in enumerate(squares):
        sheet.paste(square, (number % columns * side, number // columns * side))
    return sheet


def draw_edits(model: Inpainter) -> Image.Image:
    """Return one row for each direction: the demo's first completion, edited."""
    image, hole = demo_input()
    rows = [
        [
            model.inpaint(image, hole, 1, seed=0, edits=[Edit(name, s)]).images[0, 0].cpu()
            for s in STRENGTHS
        ]
        for name in model.directions
    ]
    labels = [[f"{name} {s:+g}" for s in STRENGTHS] for name in model.directions]
    return contact_sheet(rows, labels, cell_px=MEDIUM_PX)


if __name__ == "__main__":
    main()
