"""An image and its mask, read once: what is recorded is what is decoded."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from answers import box, noise, save
from diverse_inpainting.cli.job_inputs import JobInputs
from diverse_inpainting.cli.pairing import Job, plan_jobs
from diverse_inpainting.cli.result_files import MADE_BY, ResultFiles
from diverse_inpainting.cli.settings import Settings
from diverse_inpainting.core.errors import InputError


@pytest.fixture
def job(tmp_path):
    image = save(tmp_path / "a.png", noise(40, 56))
    mask = save(tmp_path / "m.png", box(40, 56))
    return Job(image=image, mask=mask, files=ResultFiles(tmp_path / "out", "a", 2))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_files_that_change_after_they_were_read_change_nothing(tmp_path, suffix):
    image = save(tmp_path / f"a{suffix}", noise(40, 56))
    mask = save(tmp_path / f"m{suffix}", box(40, 56))
    (job,) = plan_jobs([image], [mask], tmp_path / "out", 1).jobs
    shown = np.asarray(Image.open(image).convert("RGB"))
    inputs = JobInputs.read(job)
    digests = {
        name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for name, path in (("picture", image), ("mask", mask))
    }
    image.unlink(), mask.unlink()
    file, hole_mask = inputs.decode(Settings())
    assert np.array_equal(np.rint(file.image[0].numpy() * 255), shown)
    assert (hole_mask[0] > 0.5).numpy().mean() == pytest.approx((box(40, 56) > 0).mean(), abs=0.02)
    assert inputs.digests() == digests
    assert inputs.num_pixels == 40 * 56


def test_the_record_names_files_but_no_folders(job):
    run = {"seed": 3, MADE_BY: {"model": "cats"}}
    record = JobInputs.read(job).record(run)
    assert record[MADE_BY] == {"model": "cats", "picture": "a.png", "mask": "m.png"}
    assert record["seed"] == 3 and len(record["picture"]) == len(record["mask"]) == 16
    assert run == {"seed": 3, MADE_BY: {"model": "cats"}}


def test_a_file_that_is_no_image_has_no_size_and_is_refused(job):
    job.image.write_text("not an image")
    inputs = JobInputs.read(job)
    assert inputs.num_pixels == 0
    with pytest.raises(InputError, match="not an image"):
        inputs.decode(Settings())


def test_a_file_that_is_gone_is_an_error_of_the_system(job):
    job.mask.unlink()
    with pytest.raises(FileNotFoundError):
        JobInputs.read(job)
