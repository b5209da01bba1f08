"""ComfyUI's own nodes in our workflows, as its /object_info declares them: (inputs, outputs)."""

CORE_NODES = {
    "LoadImage": (
        {"required": {"image": [["example.png"], {"image_upload": True}]}},
        ["IMAGE", "MASK"],
    ),
    "PreviewImage": ({"required": {"images": ["IMAGE", {}]}}, []),
    "SaveImage": (
        {
            "required": {
                "images": ["IMAGE", {}],
                "filename_prefix": ["STRING", {"default": "ComfyUI"}],
            }
        },
        [],
    ),
    "SaveAnimatedWEBP": (
        {
            "required": {
                "images": ["IMAGE", {}],
                "filename_prefix": ["STRING", {"default": "ComfyUI"}],
                "fps": ["FLOAT", {"default": 6.0, "min": 0.01, "max": 1000.0, "step": 0.01}],
                "lossless": ["BOOLEAN", {"default": True}],
                "quality": ["INT", {"default": 80, "min": 0, "max": 100}],
                "method": [["default", "fastest", "slowest"], {}],
            }
        },
        [],
    ),
    "PreviewAny": ({"required": {"source": ["*", {}]}}, []),
    "ImageBatch": ({"required": {"image1": ["IMAGE", {}], "image2": ["IMAGE", {}]}}, ["IMAGE"]),
    "ImageScaleBy": (
        {
            "required": {
                "image": ["IMAGE", {}],
                "upscale_method": [["nearest-exact", "bilinear", "area", "bicubic", "lanczos"], {}],
                "scale_by": ["FLOAT", {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01}],
            }
        },
        ["IMAGE"],
    ),
    "ImageStitch": (
        {
            "required": {
                "image1": ["IMAGE", {}],
                "direction": [["right", "down", "left", "up"], {"default": "right"}],
                "match_image_size": ["BOOLEAN", {"default": True}],
                "spacing_width": ["INT", {"default": 0, "min": 0, "max": 1024, "step": 2}],
                "spacing_color": [["white", "black", "red", "green", "blue"], {"default": "white"}],
            },
            "optional": {"image2": ["IMAGE", {}]},
        },
        ["IMAGE"],
    ),
    "SolidMask": (
        {
            "required": {
                "value": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}],
                "width": ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}],
                "height": ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}],
            }
        },
        ["MASK"],
    ),
}
FRONT_END_NODES = {"MarkdownNote"}
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def input_types(declaration):
    """Return required and optional inputs of a declaration, in order."""
    return {**declaration.get("required", {}), **declaration.get("optional", {})}


def declared(node_type, classes):
    """Inputs with types, output types and widget names of a node, as the front end has them.

    Args:
        node_type: one of ComfyUI's, or a key of classes.
        classes: the pack's node classes.

    Returns:
        Inputs as (name, type); output types; widgets whose values are saved, buttons included.
    """
    if node_type in CORE_NODES:
        declaration, outputs = CORE_NODES[node_type]
    else:
        node = classes[node_type]
        declaration, outputs = node.INPUT_TYPES(), list(node.RETURN_TYPES)
    inputs, widgets = [], []
    for key, (kind, options) in input_types(declaration).items():
        kind = "COMBO" if isinstance(kind, list) else kind
        inputs.append((key, kind))
        if kind in WIDGET_TYPES and not options.get("forceInput"):
            widgets.append(key)
            widgets += ["control_after_generate"] * options.get("control_after_generate", False)
            widgets += ["upload"] * options.get("image_upload", False)
    return inputs, outputs, widgets
