"""What ComfyUI, its front end and saved workflows rely on, for every node."""

import inspect
import json

import pytest

IDS = [
    "DI_ApplyEdit",
    "DI_BlendW",
    "DI_Composite",
    "DI_DiscoverDirection",
    "DI_EditSliders",
    "DI_EncodeErased",
    "DI_ExamplePicture",
    "DI_FindFace",
    "DI_FitCodes",
    "DI_GatedMix",
    "DI_Inpaint",
    "DI_LoadDirection",
    "DI_LoadModel",
    "DI_LoadW",
    "DI_PickVariant",
    "DI_RandomMask",
    "DI_SampleW",
    "DI_SaveW",
    "DI_SkipRefine",
    "DI_Synthesize",
    "DI_WalkW",
]
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN"}
TYPES = {"DI_MODEL", "DI_ERASED", "DI_W", "DI_DIRECTION", "IMAGE", "MASK", *WIDGET_TYPES}
HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}

# Saved workflows hold widget values by position: append to a row, never change it.
WIDGETS = {
    "DI_ApplyEdit": ["strength", "first_layer", "last_layer"],
    "DI_BlendW": ["amount", "first_layer", "last_layer", "weights"],
    "DI_Composite": ["feather_px", "blend"],
    "DI_DiscoverDirection": ["method", "component", "first_layer", "last_layer"],
    "DI_EditSliders": ["sliders"],
    "DI_EncodeErased": ["crop_mode", "margin"],
    "DI_ExamplePicture": ["picture", "hole"],
    "DI_FindFace": ["part", "index", "side"],
    "DI_FitCodes": ["steps"],
    "DI_GatedMix": ["gate_bias"],
    "DI_Inpaint": [
        *("num_variants", "seed", "truncation_psi", "gate_bias", "crop_mode", "margin"),
        *("feather_px", "strength", "skip_source", "blend", "fit_steps"),
    ],
    "DI_LoadDirection": ["direction_name"],
    "DI_LoadModel": ["model_name", "precision"],
    "DI_LoadW": ["file"],
    "DI_PickVariant": ["pick"],
    "DI_RandomMask": ["kind", "width", "height", "seed", "count", "min_ratio", "max_ratio"],
    "DI_SampleW": ["seed", "num_variants", "truncation_psi"],
    "DI_SaveW": ["filename_prefix"],
    "DI_SkipRefine": [],
    "DI_Synthesize": [],
    "DI_WalkW": ["steps", "loop"],
}
SOCKETS = {
    "DI_ApplyEdit": [("codes", "DI_W"), ("direction", "DI_DIRECTION")],
    "DI_BlendW": [("a", "DI_W"), ("b", "DI_W")],
    "DI_Composite": [("erased", "DI_ERASED"), ("images", "IMAGE"), ("blend_mask", "MASK")],
    "DI_DiscoverDirection": [("model", "DI_MODEL")],
    "DI_EditSliders": [("model", "DI_MODEL"), ("codes", "DI_W"), ("erased", "DI_ERASED")],
    "DI_EncodeErased": [("model", "DI_MODEL"), ("image", "IMAGE"), ("mask", "MASK")],
    "DI_ExamplePicture": [],
    "DI_FindFace": [("image", "IMAGE")],
    "DI_FitCodes": [("model", "DI_MODEL"), ("erased", "DI_ERASED"), ("codes", "DI_W")],
    "DI_GatedMix": [("model", "DI_MODEL"), ("encoded", "DI_W"), ("random", "DI_W")],
    "DI_Inpaint": [
        *(("model", "DI_MODEL"), ("image", "IMAGE"), ("mask", "MASK")),
        *(("direction", "DI_DIRECTION"), ("keep", "DI_W")),
    ],
    "DI_LoadDirection": [("model", "DI_MODEL")],
    "DI_LoadModel": [],
    "DI_LoadW": [("picture", "IMAGE")],
    "DI_PickVariant": [("codes", "DI_W"), ("images", "IMAGE")],
    "DI_RandomMask": [],
    "DI_SampleW": [("model", "DI_MODEL"), ("keep", "DI_W")],
    "DI_SaveW": [("codes", "DI_W"), ("images", "IMAGE"), ("picture", "IMAGE")],
    "DI_SkipRefine": [
        *(("model", "DI_MODEL"), ("erased", "DI_ERASED"), ("codes", "DI_W")),
        ("skip_codes", "DI_W"),
    ],
    "DI_Synthesize": [("model", "DI_MODEL"), ("codes", "DI_W")],
    "DI_WalkW": [("codes", "DI_W")],
}
OUTPUTS = {
    "DI_ApplyEdit": ("DI_W",),
    "DI_BlendW": ("DI_W",),
    "DI_Composite": ("IMAGE", "MASK"),
    "DI_DiscoverDirection": ("DI_DIRECTION",),
    "DI_EditSliders": ("DI_W", "IMAGE"),
    "DI_EncodeErased": ("DI_ERASED", "DI_W", "IMAGE"),
    "DI_ExamplePicture": ("IMAGE", "MASK"),
    "DI_FindFace": ("IMAGE", "MASK"),
    "DI_FitCodes": ("DI_W",),
    "DI_GatedMix": ("DI_W", "IMAGE"),
    "DI_Inpaint": ("IMAGE", "DI_W", "MASK"),
    "DI_LoadDirection": ("DI_DIRECTION",),
    "DI_LoadModel": ("DI_MODEL", "STRING"),
    "DI_LoadW": ("DI_W",),
    "DI_PickVariant": ("DI_W", "IMAGE", "STRING"),
    "DI_RandomMask": ("MASK",),
    "DI_SampleW": ("DI_W",),
    "DI_SaveW": (),
    "DI_SkipRefine": ("IMAGE",),
    "DI_Synthesize": ("IMAGE",),
    "DI_WalkW": ("DI_W",),
}


@pytest.fixture(params=IDS)
def node_id(request):
    return request.param


@pytest.fixture
def node(classes, node_id):
    return classes[node_id]


def declared(node):
    sections = node.INPUT_TYPES()
    assert set(sections) <= {"required", "optional", "hidden"}
    return {**sections["required"], **sections.get("optional", {})}


def test_ids_are_permanent(classes, pack):
    assert sorted(classes) == IDS
    names = pack.NODE_DISPLAY_NAME_MAPPINGS
    assert sorted(names) == IDS
    assert len(set(names.values())) == len(IDS)
    assert len(set(classes.values())) == len(IDS)


def test_widgets_keep_their_places(node, node_id):
    kinds = {name: kind for name, (kind, _) in declared(node).items()}
    widgets = [n for n, kind in kinds.items() if isinstance(kind, list) or kind in WIDGET_TYPES]
    assert widgets == WIDGETS[node_id]
    sockets = [(name, kind) for name, kind in kinds.items() if name not in widgets]
    assert sockets == SOCKETS[node_id]


def test_the_function_takes_the_declared_inputs(node):
    parameters = list(inspect.signature(getattr(node, node.FUNCTION)).parameters.values())[1:]
    hidden = node.INPUT_TYPES().get("hidden", {})
    assert hidden.items() <= HIDDEN.items()
    assert [p.name for p in parameters] == [*declared(node), *hidden]
    optional = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    declared_optional = node.INPUT_TYPES().get("optional", {})
    assert set(optional) == {*declared_optional, *hidden}
    for name, default in optional.items():  # None leaves the choice to core
        known = {} if name in hidden else declared_optional[name][1]
        assert default in (None, known.get("default")), name


def test_each_input_has_a_type_a_tooltip_and_sound_limits(node):
    for name, (kind, options) in declared(node).items():
        assert len(options["tooltip"]) > 20, name
        assert options["tooltip"].endswith("."), name
        if isinstance(kind, list):
            assert options["default"] == kind[0], name
            assert all(isinstance(option, str) for option in kind), name
            continue
        assert kind in TYPES, name
        if kind in ("INT", "FLOAT"):
            assert options["min"] <= options["default"] <= options["max"], name
            wanted = int if kind == "INT" else float
            assert {type(options[k]) for k in ("min", "max", "default", "step")} == {wanted}, name


def test_outputs_are_named_and_explained(node, node_id):
    assert OUTPUTS[node_id] == node.RETURN_TYPES
    assert len(node.RETURN_NAMES) == len(node.OUTPUT_TOOLTIPS) == len(node.RETURN_TYPES)
    assert len(set(node.RETURN_NAMES)) == len(node.RETURN_NAMES)
    assert all(len(tip) > 20 and tip.endswith(".") for tip in node.OUTPUT_TOOLTIPS)


def test_the_node_can_be_found(node, node_id, pack):
    name = pack.NODE_DISPLAY_NAME_MAPPINGS[node_id]
    assert "Diverse" in name, "older servers search display names only"
    assert node.CATEGORY == "diverse inpainting"
    assert len(node.DESCRIPTION) > 60
    assert node.DESCRIPTION.endswith(".")
    assert isinstance(node.SEARCH_ALIASES, list)
    assert len(node.SEARCH_ALIASES) >= 2


def test_words_that_people_type_find_a_node(classes, pack):
    names = pack.NODE_DISPLAY_NAME_MAPPINGS
    for word in ("inpaint", "fill", "sefa", "ganspace", "edit", "blend", "example", "mask", "face"):
        assert any(word in name.lower() for name in names.values()), word
    aliases = {alias for node in classes.values() for alias in node.SEARCH_ALIASES}
    assert "load model" not in aliases, "ComfyUI's own loaders come first"


def test_seeds_cover_64_bits_and_can_change_after_each_run(node):
    for name, (kind, options) in declared(node).items():
        if name == "seed":
            assert kind == "INT"
            assert (options["min"], options["max"]) == (0, 2**64 - 1)
            assert options["control_after_generate"] is True


def test_the_declaration_survives_json(node):
    info = node.INPUT_TYPES()
    assert json.loads(json.dumps(info, allow_nan=False)) == json.loads(json.dumps(info))


def test_validation_names_only_own_inputs(node):
    for method in ("VALIDATE_INPUTS", "IS_CHANGED"):
        if hasattr(node, method):
            names = set(inspect.signature(getattr(node, method)).parameters)
            assert names <= set(declared(node))
    if hasattr(node, "IS_CHANGED"):  # ComfyUI passes every input
        assert set(inspect.signature(node.IS_CHANGED).parameters) == set(declared(node))


def test_the_readme_lists_the_node_by_its_name(node_id, root, part):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert f"| {part('nodes').TITLES[node_id]} (`{node_id}`) |" in readme


def test_category_and_sockets_have_names(root, classes):
    main = json.loads((root / "locales" / "en" / "main.json").read_text(encoding="utf-8"))
    assert set(main["nodeCategories"]) == {node.CATEGORY for node in classes.values()}
    sockets = {kind for kinds in OUTPUTS.values() for kind in kinds if kind.startswith("DI_")}
    assert set(main["dataTypes"]) == sockets
