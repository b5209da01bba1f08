"""What a report says its numbers depend on."""

import dataclasses

import torch

from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.core.pretrained import sha256_of
from diverse_inpainting.evaluation import images as module
from diverse_inpainting.evaluation.facts import model_facts, selection_facts, versions
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.protocol import Selection
from evaluation_samples import pairs


def facts_of(given):
    return selection_facts(Selection(given, list(given.names), "sampled"))


def test_the_digest_is_of_names_images_and_holes(monkeypatch):
    given = pairs(5)
    facts = facts_of(given)
    assert facts["pictures"] == facts["pictures_by_bucket"]["(0,1]"] == 5
    assert facts["resolution"] == 16 and facts["mask_pairing"] == "sampled"
    monkeypatch.setattr(module, "CHUNK", 2)
    assert facts_of(given) == facts, "it does not depend on how images are read"
    brighter = given.originals[:] // 2
    others = [
        dataclasses.replace(given, names=given.names[::-1]),
        dataclasses.replace(given, originals=Images.of(brighter)),
        dataclasses.replace(given, holes=Images.of(torch.ones_like(given.holes[:]))),
    ]
    assert len({facts_of(one)["pairs_sha256"] for one in (given, *others)}) == 4


def test_the_model_is_known_by_its_file(tiny_checkpoint):
    model = Inpainter.load(tiny_checkpoint, device="cpu")
    facts = model_facts(tiny_checkpoint, model, 3)
    assert facts["sha256"] == sha256_of(tiny_checkpoint) and facts["fit_steps"] == 3
    assert facts["generator_id"] == model.generator_id
    assert versions()["torch"] == torch.__version__
