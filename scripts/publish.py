"""Make every published picture again from the bundled model.

    python scripts/publish.py

Run it after a new model and look at all it writes. Pictures and samples are chosen by index, not
by taste.

    web/docs/demo.jpg                          the sheet of `diverse-inpainting demo`
    web/docs/samples.jpg                       bundled photographs x kinds of mask x variants
    web/docs/edits.jpg                         completions of the demo moved along each direction
    web/docs/directions/NAME.jpg               random samples moved along each direction
    example_workflows/diverse-inpainting.jpg   the results of the workflow's settings
"""

import json
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from diverse_inpainting import Edit, Inpainter
from diverse_inpainting.core.batch import write_results
from diverse_inpainting.core.contact_sheet import contact_sheet
from diverse_inpainting.core.demo import PICTURE, demo_input
from diverse_inpainting.core.masks import sample_hole_masks
from diverse_inpainting.core.pictures import read_picture
from diverse_inpainting.core.result_files import ResultFiles
from diverse_inpainting.core.settings import Settings
from diverse_inpainting.training.directions.strips import strip

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "web" / "docs"
WORKFLOW = ROOT / "example_workflows" / "diverse-inpainting.jpg"
PROMPT = ROOT / "example_workflows" / "api" / "diverse-inpainting.json"

MASK_KINDS = ("box", "half", "paper")
NUM_VARIANTS = 4
STRENGTHS = (-3.0, -1.5, 0.0, 1.5, 3.0)
SMALL_PX, MEDIUM_PX, LARGE_PX = 96, 128, 192
JPEG_QUALITY = 88


def main() -> None:
    model = Inpainter.load("cats")
    save(demo(model), DOCS / "demo.jpg")
    save(samples(model), DOCS / "samples.jpg")
    save(workflow(model), WORKFLOW)
    if model.directions:
        save(edits(model), DOCS / "edits.jpg")
    for name, direction in model.directions.items():
        save(strip(model, direction, STRENGTHS), DOCS / "directions" / f"{name}.jpg")


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    picture.save(path, quality=JPEG_QUALITY, optimize=True)
    print(path.relative_to(ROOT), f"{path.stat().st_size / 1024:.0f} KiB")


def demo(model: Inpainter) -> Image.Image:
    """Return the sheet that the command writes."""
    with tempfile.TemporaryDirectory() as folder:
        files = ResultFiles(Path(folder), PICTURE.stem, 8)
        write_results(model, *demo_input(), files, Settings())
        with Image.open(files.sheet) as sheet:
            return sheet.convert("RGB")


def samples(model: Inpainter) -> Image.Image:
    """Return one row for each photograph: erased and completed for each kind of mask."""
    rows = []
    for index, path in enumerate(sorted(PICTURE.parent.glob("*.jpg"))):
        image = read_picture(path).image
        row: list[Tensor] = []
        for kind in MASK_KINDS:
            hole = sample_hole_masks(kind, 1, image.shape[1], seed=0, first=index)[:, 0]
            completed = model.inpaint(image, hole, NUM_VARIANTS, seed=0).images[0]
            row += [erase(image, hole), *completed.cpu()]
        rows.append(row)
    last = [label for kind in MASK_KINDS for label in (kind, *map(str, range(NUM_VARIANTS)))]
    blank = [[""] * len(last)] * (len(rows) - 1)
    return contact_sheet(rows, [*blank, last], cell_px=SMALL_PX)


def edits(model: Inpainter) -> Image.Image:
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


def workflow(model: Inpainter) -> Image.Image:
    """Return the erased demo and eight results of the example's settings, three by three.

    tests/nodes hold that the workflow gives what the library gives.
    """
    nodes = {node["class_type"]: node["inputs"] for node in json.loads(PROMPT.read_text()).values()}
    sampled, found = nodes["DI_SampleW"], nodes["DI_DiscoverDirection"]
    direction = model.discover(found["method"], found["component"])
    image, hole = demo_input()
    result = model.inpaint(
        image,
        hole,
        sampled["num_variants"],
        sampled["seed"],
        edits=[Edit(direction, nodes["DI_ApplyEdit"]["strength"])],
    )
    cells = [erase(image, hole), *result.images[0, :8].cpu()]
    return contact_sheet([cells[0:3], cells[3:6], cells[6:9]], cell_px=LARGE_PX)


def erase(image: Tensor, hole: Tensor) -> Tensor:
    return torch.where(hole[0, :, :, None] > 0, 0.5, image[0, :, :, :3])


if __name__ == "__main__":
    main()
