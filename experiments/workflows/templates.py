"""Write the example workflows; look at each in ComfyUI afterwards.

PYTHONPATH=tests/support python experiments/workflows/templates.py

example_workflows/NAME.json       as the front end opens it
example_workflows/api/NAME.json   as the API takes it
example_workflows/NAME.jpg        the results of a run, for the template browser
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from graph import Placed, Workflow
from thumbnails import thumbnail

FOLDER = Path(__file__).resolve().parents[2] / "example_workflows"
OWN_IMAGE = (
    "**Your own image**: replace *Example Picture* by *Load Image*, right-click it, choose *Open "
    "in MaskEditor* and paint over what is to be filled. The bundled model knows faces of cats."
)
App = dict[str, list[Any]] | None


def start(flow: Workflow, hole: str = "half") -> tuple[Placed, Placed]:
    """Add what every template begins with: an image with a hole, and the model."""
    flow.column()
    picture = flow.add("DI_ExamplePicture", hole=hole)
    model = flow.add("DI_LoadModel")
    flow.group("Image and model", picture, model)
    return picture, model


def quick(flow: Workflow) -> App:
    picture, model = start(flow)
    flow.note(f"## Eight answers\n\nPress **Run**.\n\n{OWN_IMAGE}")
    flow.column()
    inpaint = flow.add("DI_Inpaint", model=model[0], image=picture[0], mask=picture[1], seed=7)
    flow.note("`seed`: other answers.\n\n`num_variants`: more; the ones you have stay.")
    flow.column(720)
    saved = flow.add(
        "SaveImage", images=inpaint[0], filename_prefix="diverse-inpainting/quick", images_px=720
    )
    return {
        "inputs": [
            [picture.id, "picture"],
            [picture.id, "hole"],
            [inpaint.id, "seed"],
            [inpaint.id, "num_variants"],
        ],
        "outputs": [saved.id],
    }


def step_by_step(flow: Workflow) -> App:
    picture, model = start(flow, "strokes")
    flow.note(
        "## The method, step by step\n\n*Diverse Inpaint* does all of this in one node.\n\n"
        "1. **Encode Erased Image** erases the hole and encodes the rest.\n"
        "2. **Sample Style Codes** draws a random code for each answer: change `seed`.\n"
        "3. **Gated Mix** decides, layer by layer, what to take from which.\n"
        "4. **Apply Edit** moves all answers along a direction: change `strength`.\n"
        "5. **Refine with Skip Encoder** matches them to the rest of the image.\n"
        "6. **Composite Completions** pastes them, without touching another pixel.",
    )
    flow.column()
    encoded = flow.add("DI_EncodeErased", model=model[0], image=picture[0], mask=picture[1])
    sampled = flow.add("DI_SampleW", model=model[0], seed=7)
    found = flow.add("DI_DiscoverDirection", model=model[0])
    flow.group("Codes", encoded, sampled, found)
    flow.column()
    mixed = flow.add("DI_GatedMix", model=model[0], encoded=encoded[1], random=sampled[0])
    flow.add("PreviewImage", title="What the encoder saw", images=encoded[2], images_px=260)
    flow.column()
    edited = flow.add("DI_ApplyEdit", codes=mixed[0], direction=found[0])
    flow.group("Mix and edit", mixed, edited)
    flow.add("PreviewImage", title="Gate: image or chance", images=mixed[1], images_px=260)
    flow.column()
    refined = flow.add("DI_SkipRefine", model=model[0], erased=encoded[0], codes=edited[0])
    stage1 = flow.add("DI_Synthesize", model=model[0], codes=edited[0])
    flow.column()
    pasted = flow.add("DI_Composite", erased=encoded[0], images=refined[0])
    flow.group("Images", refined, stage1, pasted)
    flow.column(720)
    flow.add(
        "SaveImage",
        title="The completions",
        images=pasted[0],
        filename_prefix="diverse-inpainting/step-by-step",
        images_px=360,
    )
    flow.add("PreviewImage", title="Stage 1, before refinement", images=stage1[0], images_px=360)
    return None


def pick_and_edit(flow: Workflow) -> App:
    picture, model = start(flow)
    flow.note(
        "## Pick, lock, roll again, slide\n\n"
        "1. Press **Run** and click the answers that you like in the first grid.\n"
        "2. Press **Run** again: the second roll keeps them first and fills up with new ones; "
        "change its `seed` for others.\n"
        "3. Click one in the second grid, then drag the sliders.\n"
        "4. *Save Codes* writes a PNG that brings its codes back through *Load Codes*.",
    )
    flow.column()
    inputs: dict[str, Any] = {"model": model[0], "image": picture[0], "mask": picture[1]}
    first = flow.add("DI_Inpaint", title="First roll", **inputs, seed=1)
    encoded = flow.add("DI_EncodeErased", **inputs)
    flow.column(420)
    liked = flow.add("DI_PickVariant", codes=first[1], images=first[0], pick="0,3", images_px=300)
    flow.group("1. Roll and pick", first, liked)
    flow.column()
    second = flow.add("DI_Inpaint", title="Second roll", **inputs, keep=liked[0], seed=2)
    flow.column(420)
    chosen = flow.add("DI_PickVariant", codes=second[1], images=second[0], pick="0", images_px=300)
    flow.group("2. Lock and roll again", second, chosen)
    flow.column(420)
    sliders = flow.add(
        "DI_EditSliders",
        model=model[0],
        codes=chosen[0],
        erased=encoded[0],
        sliders='{"warmth": 1.5}',
        images_px=440,
    )
    flow.group("3. Slide", sliders)
    flow.column(420)
    flow.add("PreviewImage", title="Before", images=chosen[1], images_px=300)
    saved = flow.add(
        "DI_SaveW",
        title="After, with its codes",
        codes=sliders[0],
        images=sliders[1],
        picture=picture[0],
        filename_prefix="diverse-inpainting/picked",
        images_px=300,
    )
    return {
        "inputs": [
            [picture.id, "picture"],
            [first.id, "seed"],
            [liked.id, "diverse-inpainting-grid"],
            [second.id, "seed"],
            [chosen.id, "diverse-inpainting-grid"],
            [sliders.id, "diverse-inpainting-sliders"],
        ],
        "outputs": [saved.id],
    }


def blend_and_animate(flow: Workflow) -> App:
    picture, model = start(flow)
    flow.note(
        "## From answer to answer\n\n*Walk between Variants* goes from pick to pick and back, in "
        "order for a video. *Blend Codes* mixes two of them: change `amount`.",
    )
    flow.column()
    inputs: dict[str, Any] = {"model": model[0], "image": picture[0], "mask": picture[1]}
    inpaint = flow.add("DI_Inpaint", **inputs, seed=7)
    encoded = flow.add("DI_EncodeErased", **inputs)
    flow.column(420)
    path = flow.add(
        "DI_PickVariant",
        title="Stops of the walk",
        codes=inpaint[1],
        images=inpaint[0],
        pick="0,2,5",
        images_px=300,
    )
    ends = [
        flow.add(
            "DI_PickVariant",
            title=f"Blend: {name}",
            codes=inpaint[1],
            images=inpaint[0],
            pick=pick,
            images_px=300,
        )
        for name, pick in (("first", "0"), ("second", "5"))
    ]
    flow.column()
    walk = flow.add("DI_WalkW", codes=path[0], steps=8, loop=True)
    blend = flow.add("DI_BlendW", a=ends[0][0], b=ends[1][0], amount=0.5)
    flow.column()
    refined = [
        flow.add("DI_SkipRefine", model=model[0], erased=encoded[0], codes=codes[0])
        for codes in (walk, blend)
    ]
    flow.column()
    shown = [flow.add("DI_Composite", erased=encoded[0], images=images[0]) for images in refined]
    flow.column(420)
    flow.add(
        "SaveAnimatedWEBP",
        images=shown[0][0],
        filename_prefix="diverse-inpainting/walk",
        fps=8.0,
        lossless=False,
        quality=85,
        method="default",
        images_px=300,
    )
    flow.add("PreviewImage", title="The blend", images=shown[1][0], images_px=300)
    return None


def large_photograph(flow: Workflow) -> App:
    flow.column()
    cats = [
        flow.add("DI_ExamplePicture", picture=name) for name in ("tortoiseshell", "grey longhair")
    ]
    model = flow.add("DI_LoadModel")
    flow.note(
        "## A face in a large photograph\n\nTwo examples side by side stand for a photograph of "
        "2048 x 1024 pixels: replace them by *Load Image*.\n\n*Find Cat Face* masks a part of a "
        "face; `index` says which. With `crop_mode` `auto` the model sees that face alone, "
        "upright; the answers are pasted back at full size, and no other pixel changes.",
    )
    flow.column()
    wide = flow.add(
        "ImageStitch",
        image1=cats[0][0],
        image2=cats[1][0],
        direction="right",
        match_image_size=True,
        spacing_width=0,
        spacing_color="white",
    )
    flow.column()
    large = flow.add("ImageScaleBy", image=wide[0], upscale_method="lanczos", scale_by=4.0)
    flow.group("A large photograph", wide, large)
    flow.column()
    face = flow.add("DI_FindFace", image=large[0], part="muzzle", index=1)
    flow.column()
    inpaint = flow.add(
        "DI_Inpaint",
        model=model[0],
        image=large[0],
        mask=face[1],
        num_variants=4,
        seed=7,
        crop_mode="auto",
    )
    flow.add("PreviewImage", title="The face", images=face[0], images_px=300)
    flow.column(720)
    flow.add(
        "SaveImage", images=inpaint[0], filename_prefix="diverse-inpainting/large", images_px=400
    )
    return None


def edit_whole_picture(flow: Workflow) -> App:
    picture, model = start(flow)
    flow.note(
        "## Edit without a hole\n\nThe mask is empty, so that the whole image is encoded. Drag the "
        "sliders. The result is the model's own image at its own size, close to the photograph "
        "but not equal to it; *Load Image* needs an empty mask of the image's size.",
    )
    flow.column()
    nothing = flow.add("SolidMask", title="An empty mask", value=0.0, width=256, height=256)
    encoded = flow.add("DI_EncodeErased", model=model[0], image=picture[0], mask=nothing[0])
    sampled = flow.add("DI_SampleW", model=model[0], seed=3, num_variants=1, truncation_psi=0.5)
    flow.group("Encode all of it", nothing, encoded, sampled)
    flow.column()
    mixed = flow.add("DI_GatedMix", model=model[0], encoded=encoded[1], random=sampled[0])
    flow.column(420)
    sliders = flow.add(
        "DI_EditSliders",
        model=model[0],
        codes=mixed[0],
        sliders='{"warmth": 3.0}',
        images_px=440,
    )
    plain = flow.add("DI_SkipRefine", model=model[0], erased=encoded[0], codes=mixed[0])
    flow.column()
    refined = flow.add("DI_SkipRefine", model=model[0], erased=encoded[0], codes=sliders[0])
    flow.column(420)
    flow.add("PreviewImage", title="The photograph", images=encoded[2], images_px=300)
    flow.add("PreviewImage", title="Before", images=plain[0], images_px=300)
    flow.add(
        "SaveImage",
        title="After",
        images=refined[0],
        filename_prefix="diverse-inpainting/edited",
        images_px=300,
    )
    return None


def batch(flow: Workflow) -> App:
    flow.column()
    names = ("grey longhair", "tabby and white", "siamese")
    pictures = [flow.add("DI_ExamplePicture", picture=name) for name in names]
    model = flow.add("DI_LoadModel")
    flow.note(
        "## Many images\n\nImages of one size make a batch; each has a mask of its own. For a "
        "folder, use *Load Image Dataset from Folder*, or the script `client.py` beside the API "
        "workflows, or the command `diverse-inpainting inpaint`.",
    )
    flow.column()
    two = flow.add("ImageBatch", image1=pictures[0][0], image2=pictures[1][0])
    masks = flow.add("DI_RandomMask", width=256, height=256, count=3, seed=5)
    flow.column()
    all_ = flow.add("ImageBatch", image1=two[0], image2=pictures[2][0])
    flow.group("Three images, three masks", two, masks, all_)
    flow.column()
    inpaint = flow.add(
        "DI_Inpaint", model=model[0], image=all_[0], mask=masks[0], num_variants=4, seed=7
    )
    flow.column(720)
    flow.add(
        "SaveImage", images=inpaint[0], filename_prefix="diverse-inpainting/batch", images_px=560
    )
    return None


def any_generator(flow: Workflow) -> App:
    flow.column()
    model = flow.add("DI_LoadModel")
    flow.note(
        "## Directions of any generator\n\nChoose a StyleGAN2 that `diverse-inpainting convert` "
        "imported. *Discover Edit Direction* finds what it can change: each `component` is "
        "another direction, `sefa` from its weights, `ganspace` from samples. Give the layers to "
        "change coarse or fine things only.",
    )
    flow.add("PreviewAny", title="What the model can do", source=model[1])
    flow.column()
    sampled = flow.add("DI_SampleW", model=model[0], seed=3, num_variants=4, truncation_psi=0.7)
    directions = [
        flow.add("DI_DiscoverDirection", model=model[0], component=component)
        for component in (0, 1)
    ]
    flow.group("Samples and directions", sampled, *directions)
    flow.column()
    edits = [
        flow.add("DI_ApplyEdit", codes=sampled[0], direction=direction[0], strength=2.0)
        for direction in directions
    ]
    flow.column()
    images = [
        flow.add("DI_Synthesize", model=model[0], codes=codes[0]) for codes in (sampled, *edits)
    ]
    flow.column(720)
    for title, shown in zip(("Samples", "Component 0", "Component 1"), images, strict=True):
        flow.add("PreviewImage", title=title, images=shown[0], images_px=180)
    return None


TEMPLATES: dict[str, Callable[[Workflow], App]] = {
    "1-quick": quick,
    "2-step-by-step": step_by_step,
    "3-pick-and-edit": pick_and_edit,
    "4-blend-and-animate": blend_and_animate,
    "5-large-photograph": large_photograph,
    "6-edit-the-whole-picture": edit_whole_picture,
    "7-batch": batch,
    "8-any-generator": any_generator,
}


def main() -> None:
    for name, build in TEMPLATES.items():
        flow = Workflow(name)
        flow.write(FOLDER, build(flow))
        thumbnail(flow.prompt()).save(FOLDER / f"{name}.jpg", quality=85)
        print(name)


if __name__ == "__main__":
    main()
