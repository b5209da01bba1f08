"""ComfyUI's own nodes in our workflows: inputs, outputs and widgets, from its /object_info.

Inputs are (name, type); widgets as the front end stores their values, buttons included.
"""

CORE_NODES = {
    "LoadImage": ([("image", "COMBO")], ["IMAGE", "MASK"], ["image", "upload"]),
    "SaveImage": ([("images", "IMAGE"), ("filename_prefix", "STRING")], [], ["filename_prefix"]),
    "PreviewImage": ([("images", "IMAGE")], [], []),
    "PreviewAny": ([("source", "*")], [], []),
    "ImageBatch": ([("image1", "IMAGE"), ("image2", "IMAGE")], ["IMAGE"], []),
    "ImageScaleBy": (
        [("image", "IMAGE"), ("upscale_method", "COMBO"), ("scale_by", "FLOAT")],
        ["IMAGE"],
        ["upscale_method", "scale_by"],
    ),
    "ImageStitch": (
        [
            ("image1", "IMAGE"),
            ("direction", "COMBO"),
            ("match_image_size", "BOOLEAN"),
            ("spacing_width", "INT"),
            ("spacing_color", "COMBO"),
            ("image2", "IMAGE"),
        ],
        ["IMAGE"],
        ["direction", "match_image_size", "spacing_width", "spacing_color"],
    ),
    "SolidMask": (
        [("value", "FLOAT"), ("width", "INT"), ("height", "INT")],
        ["MASK"],
        ["value", "width", "height"],
    ),
    "SaveAnimatedWEBP": (
        [
            ("images", "IMAGE"),
            ("filename_prefix", "STRING"),
            ("fps", "FLOAT"),
            ("lossless", "BOOLEAN"),
            ("quality", "INT"),
            ("method", "COMBO"),
        ],
        [],
        ["filename_prefix", "fps", "lossless", "quality", "method"],
    ),
}
FRONT_END_NODES = {"MarkdownNote"}
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def declared(node_type, classes):
    """Inputs with types, output types and widget names of a node, as the front end has them.

    Args:
        node_type: one of ComfyUI's, or a key of classes.
        classes: the pack's node classes.
    """
    if node_type in CORE_NODES:
        return CORE_NODES[node_type]
    node = classes[node_type]
    types = node.INPUT_TYPES()
    inputs, widgets = [], []
    for key, (kind, options) in {**types["required"], **types.get("optional", {})}.items():
        kind = "COMBO" if isinstance(kind, list) else kind
        inputs.append((key, kind))
        if kind in WIDGET_TYPES and not options.get("forceInput"):
            widgets.append(key)
            widgets += ["control_after_generate"] * options.get("control_after_generate", False)
    return inputs, list(node.RETURN_TYPES), widgets
