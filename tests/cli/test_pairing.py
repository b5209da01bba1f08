"""Which files are images, which mask belongs to which, and what is refused."""

import pytest

from diverse_inpainting.cli import pairing
from diverse_inpainting.core.errors import InputError


@pytest.fixture
def make(tmp_path):
    """Make empty files in a folder: make("photos", "a.png", "b.jpg")."""

    def create(folder, *names):
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        for name in names:
            (path / name).touch()
        return path

    return create


def plan(source, masks, out, **options):
    sources = source if isinstance(source, list) else [source]
    masks = masks if isinstance(masks, list) else [masks] if masks else []
    return pairing.plan_jobs(sources, masks, out, 2, **options)


def plan_jobs(source, masks, out):
    return plan(source, masks, out).jobs


def unused_masks(source, masks, out):
    return plan(source, masks, out).unused_masks


def names_of(jobs):
    return [(job.image.name, job.mask.name if job.mask else None) for job in jobs]


def test_a_folder_means_its_images_by_name(make, tmp_path):
    photos = make("photos", "b.JPG", "a.png", "notes.txt", "._a.png", "c.webp")
    (photos / "inner.png").mkdir()
    jobs = plan_jobs(photos, None, tmp_path / "out")
    assert names_of(jobs) == [("a.png", None), ("b.JPG", None), ("c.webp", None)]
    assert [job.problem for job in jobs] == [None] * 3


def test_masks_are_paired_by_stem_whatever_their_extension_and_case(make, tmp_path):
    photos = make("photos", "a.jpg", "b.png")
    masks = make("masks", "A.png", "b.webp", "c.png")
    jobs = plan_jobs(photos, masks, tmp_path / "out")
    assert names_of(jobs) == [("a.jpg", "A.png"), ("b.png", "b.webp")]
    assert [path.name for path in unused_masks(photos, masks, tmp_path / "out")] == ["c.png"]


def test_composed_and_decomposed_accents_are_one_name(make, tmp_path):
    photos, masks = make("photos", "caf\u00e9.jpg"), make("masks", "cafe\u0301.png")
    assert plan_jobs(photos, masks, tmp_path / "out")[0].mask is not None


def test_one_mask_file_serves_all_images(make, tmp_path):
    photos, mask = make("photos", "a.jpg", "b.png"), make("masks", "m.png") / "m.png"
    jobs = plan_jobs(photos, mask, tmp_path / "out")
    assert names_of(jobs) == [("a.jpg", "m.png"), ("b.png", "m.png")]
    assert unused_masks(photos, mask, tmp_path / "out") == ()


def test_one_image_finds_its_mask_in_a_folder(make, tmp_path):
    photo, masks = make("photos", "a.jpg") / "a.jpg", make("masks", "a.png", "b.png")
    assert names_of(plan_jobs(photo, masks, tmp_path / "out")) == [("a.jpg", "a.png")]


def test_a_missing_mask_is_the_problem_of_its_image_only(make, tmp_path):
    photos, masks = make("photos", "a.jpg", "b.jpg"), make("masks", "b.png")
    a, b = plan_jobs(photos, masks, tmp_path / "out")
    assert "one mask named a" in str(a.problem) and b.problem is None


def test_two_masks_of_one_stem_are_a_problem(make, tmp_path):
    photos, masks = make("photos", "a.jpg"), make("masks", "a.png", "a.webp")
    (job,) = plan_jobs(photos, masks, tmp_path / "out")
    assert "a.png and a.webp" in str(job.problem)


def test_images_of_one_stem_are_all_refused(make, tmp_path):
    photos = make("photos", "a.jpg", "A.png", "b.png")
    upper, lower, other = plan_jobs(photos, None, tmp_path / "out")
    assert "A.png and a.jpg" in str(upper.problem) and "A.png and a.jpg" in str(lower.problem)
    assert other.problem is None


def test_nothing_to_do_is_an_error(make, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="does not exist"):
        plan_jobs(tmp_path / "absent.png", None, out)
    with pytest.raises(InputError, match="No images"):
        plan_jobs(make("empty", "notes.txt"), None, out)
    with pytest.raises(InputError, match="mask or folder"):
        plan_jobs(make("photos", "a.png"), tmp_path / "absent", out)


def test_results_never_land_among_images_or_masks(make):
    photos, masks = make("photos", "a.png"), make("masks", "a.png")
    for out in (photos, masks, photos / ".." / "masks"):
        with pytest.raises(InputError, match="folder for the results"):
            plan_jobs(photos, masks, out)
    with pytest.raises(InputError, match="in the same folder"):
        plan_jobs(photos, photos, photos / "out")


def test_results_never_overwrite_an_input(make, tmp_path):
    photos = make("photos", "cat.png")
    masks = make("out", "cat-1.png", "dog.png")
    jobs = plan_jobs(photos / "cat.png", masks / "cat-1.png", masks)
    assert "would overwrite" in str(jobs[0].problem)
    (job,) = plan_jobs(photos / "cat.png", masks / "dog.png", masks)
    assert job.problem is None


def test_what_is_left_aside_is_named(make, tmp_path):
    photos = make("photos", "a.png", "notes.txt", ".b.png", "c.heic", "m.png")
    make("photos/sub", "d.png")
    found = plan(photos, photos / "m.png", tmp_path / "out")
    assert names_of(found.jobs) == [("a.png", "m.png")]
    assert sorted(found.remarks()) == [
        "left aside (.heic files cannot be read; save it as PNG): c.heic",
        "left aside (a mask): m.png",
        "left aside (a subfolder): sub",
        "left aside (hidden): .b.png",
        "left aside (not an image): notes.txt",
    ]


def test_many_names_are_cut_short(make, tmp_path):
    photos = make("photos", "a.png", *(f"{k}.txt" for k in range(10, 23)))
    (line,) = plan(photos, None, tmp_path / "out").remarks()
    assert line.startswith("left aside (not an image): ") and line.endswith(" and 3 more")


def test_a_parallel_tree_of_masks(make, tmp_path):
    photos, masks = make("photos", "a.png"), make("masks", "a.png")
    make("photos/x", "a.png"), make("photos/y", "b.jpg")
    make("masks/x", "a_mask.png"), make("masks/z", "b.png")
    found = plan(photos, masks, tmp_path / "out", recursive=True)
    a, xa, yb = found.jobs
    assert (a.mask, xa.mask) == (masks / "a.png", masks / "x" / "a_mask.png")
    assert xa.files.results[0] == tmp_path / "out" / "x" / "a-0.png"
    assert "one mask named b in" in str(yb.problem)
    assert found.unused_masks == (masks / "z" / "b.png",)


def test_masks_beside_their_images(make, tmp_path):
    photos = make("photos", "a.png", "a_mask.png", "b.jpg", "B-Mask.webp", "c.png", "d_mask.png")
    make("photos", "a.mask.png")
    pairs = [("a.png", "a.mask.png"), ("b.jpg", "B-Mask.webp"), ("c.png", None)]
    for masks in (None, photos):
        found = plan(photos, masks, tmp_path / "out")
        assert names_of(found.jobs) == [*pairs, ("d_mask.png", None)]
        assert set(found.left_aside.values()) == {"a mask"}
    assert names_of(plan_jobs(photos / "a.png", None, tmp_path / "out")) == [pairs[0]]
    given = make("given", "m.png") / "m.png"
    assert names_of(plan_jobs(photos / "a.png", given, tmp_path / "out")) == [("a.png", "m.png")]


def test_many_masks_of_one_image(make, tmp_path):
    photo, masks = make("photos", "a.png") / "a.png", make("masks", "m.png", "n.png")
    jobs = plan_jobs(photo, [masks / "m.png", masks / "n.png"], tmp_path / "out")
    assert [job.files.stem for job in jobs] == ["a-m", "a-n"]
    assert names_of(jobs) == [("a.png", "m.png"), ("a.png", "n.png")]
    with pytest.raises(InputError, match="one folder of masks"):
        plan_jobs(photo, [masks, masks / "m.png"], tmp_path / "out")


def test_results_of_one_name_are_all_refused(make, tmp_path):
    photos = make("photos", "a.png", "a-b.png", "c.png")
    masks = [make("m", "b-d.png") / "b-d.png", make("n", "d.png") / "d.png"]
    jobs = plan_jobs(photos, masks, tmp_path / "out")
    refused = {(job.image.name, job.mask.name): str(job.problem) for job in jobs if job.problem}
    assert list(refused) == [("a-b.png", "d.png"), ("a.png", "b-d.png")]  # both a-b-d
    assert all("a-b.png and a.png would have the same names" in text for text in refused.values())
    masks = [make("m", "d.png") / "d.png", make("n") / "d.png"]
    jobs = plan_jobs(photos / "c.png", masks, tmp_path / "out")
    assert all(f"{masks[0]} and {masks[1]} would" in str(job.problem) for job in jobs)
    (job,) = plan_jobs(photos / "c.png", [masks[0], masks[0]], tmp_path / "out")
    assert (job.problem, job.files.stem) == (None, "c")


def test_several_inputs_and_patterns(make, tmp_path):
    photos, others = make("photos", "a.png", "b.png", "c.jpg"), make("others", "d.png")
    jobs = plan_jobs([photos / "*.png", others, photos / "a.png"], None, tmp_path / "out")
    assert [job.image.name for job in jobs] == ["a.png", "b.png", "d.png"]
    with pytest.raises(InputError, match="does not exist"):
        plan_jobs(photos / "*.webp", None, tmp_path / "out")


def test_masks_in_a_subfolder_of_the_images_are_no_images(make, tmp_path):
    photos, masks = make("photos", "a.png"), make("photos/masks", "a.png")
    found = plan(photos, masks, tmp_path / "out", recursive=True)
    assert names_of(found.jobs) == [("a.png", "a.png")]
    assert found.left_aside == {masks / "a.png": "a mask"}


def test_shards_deal_all_jobs_in_order(make, tmp_path):
    jobs = plan_jobs(make("photos", *(f"{name}.png" for name in "abcde")), None, tmp_path / "out")
    assert pairing.deal_jobs(jobs, "1/1") == jobs
    shards = [pairing.deal_jobs(jobs, f"{index}/2") for index in (1, 2)]
    assert shards == [(jobs[0], jobs[2], jobs[4]), (jobs[1], jobs[3])]
    assert pairing.deal_jobs(jobs, "6/9") == ()


@pytest.mark.parametrize(
    "shard", ["", "1", "0/2", "3/2", "-1/2", "1/0", "1/2/3", "1 /2", "a/b", "1/2\n", "\u0661/2"]
)
def test_what_is_no_shard_is_refused(shard):
    with pytest.raises(InputError, match="I/N"):
        pairing.deal_jobs((), shard)


def test_results_have_names_that_every_system_can_write(make, tmp_path):
    photos = make("photos", "10:30.png", "CON.a.png")
    make("photos/nul", "a.png"), make("photos/dots..", "a.png")
    jobs = plan(photos, None, tmp_path / "out", recursive=True).jobs
    names = {job.files.results[0].relative_to(tmp_path / "out").as_posix() for job in jobs}
    assert names == {"10_30-0.png", "_CON.a-0.png", "_nul/a-0.png", "dots_/a-0.png"}
    make("photos", "10?30.png")
    clashing = [job.problem for job in plan_jobs(photos, None, tmp_path / "out") if job.problem]
    assert ["the same names" in str(problem) for problem in clashing] == [True, True]
