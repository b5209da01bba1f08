"""Train the network that finds cat faces, and write it as the pack reads it.

    python experiments/cat_faces/train.py --data afhq-cat-128-train.zip --photographs FOLDER \
        --out core/weights/faces/cats.safetensors

DATA holds aligned cats, FOLDER photographs without cats. The bundled network has seen the 4,400
training cats of AFHQ and 13 pictures of scikit-image 0.26 (astronaut, brick, cell, coffee, coins,
grass, hubble_deep_field, ihc, moon, motorcycle_left, page, rocket, text), 3,000 batches of 48; on
two idle cores that takes about ten minutes.
"""

import argparse
import math
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from scenes import Scenes, Targets
from torch import Tensor, nn

from diverse_inpainting.core.cat_faces import LAYERS, MEAN, SCALE
from diverse_inpainting.core.dataset import load_images
from diverse_inpainting.core.image_files import read_image

CATS_PX = 128
BATCH = 48
LEARNING_RATE = 2e-3
WARM_UP = 100
VALUE_WEIGHTS = (0.3, 0.3, 1.0, 1.5, 1.5)  # x, y, size, cosine, sine


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    cats = load_images(options.data, CATS_PX)[1]
    files = sorted(path for path in options.photographs.iterdir() if path.is_file())
    photographs = [(read_image(f).image[0].movedim(-1, 0) * 255).byte() for f in files]
    network = build_network()
    train(network, Scenes(cats, photographs, options.seed), options.steps)
    safetensors.torch.save_file(folded(network), options.out)


def build_network() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for out, stride, dilation in LAYERS:
        layers.append(nn.Conv2d(channels, out, 3, stride, dilation, dilation, bias=False))
        layers += [nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        channels = out
    head = nn.Conv2d(channels, 6, 1)
    with torch.no_grad():
        assert head.bias is not None
        head.bias[0] = -4.0  # nearly every cell is without a face
    return nn.Sequential(*layers, head)


def train(network: nn.Sequential, scenes: Scenes, steps: int) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-3)
    for step in range(steps):
        cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / WARM_UP) * cosine + 1e-5
        images, wanted = scenes.draw(BATCH)
        images = ((images - MEAN) / SCALE).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            output = network(images)
        loss = total_loss(output.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        if step % 100 == 99:
            print(f"{step + 1} of {steps}: loss {loss.item():.3f}", flush=True)


def total_loss(output: Tensor, wanted: Targets) -> Tensor:
    """Penalty-reduced focal loss of the centres (Law and Deng 2018, CornerNet), and the values."""
    logit, probability = output[:, 0], output[:, 0].sigmoid()
    is_centre = wanted.heat == 1
    found = F.softplus(-logit) * (1 - probability) ** 2
    missing = F.softplus(logit) * probability**2 * (1 - wanted.heat) ** 4
    centres = torch.where(is_centre, found, missing) * wanted.weight
    errors = F.smooth_l1_loss(output[:, 1:], wanted.values, reduction="none", beta=0.1)
    errors = errors * torch.tensor(VALUE_WEIGHTS).view(1, 5, 1, 1) * wanted.near[:, None]
    return centres.sum() / is_centre.sum().clamp(min=1) + errors.sum() / wanted.near.sum().clamp(
        min=1
    )


def folded(network: nn.Sequential) -> dict[str, Tensor]:
    """Return float16 convolutions with the batch normalisation in their weights."""
    tensors: dict[str, Tensor] = {}
    modules = list(network)
    convolutions = [i for i, module in enumerate(modules) if isinstance(module, nn.Conv2d)]
    for k, i in enumerate(convolutions):
        convolution, norm = modules[i], modules[i + 1] if i + 1 < len(modules) else None
        assert isinstance(convolution, nn.Conv2d)
        weight, bias = convolution.weight, convolution.bias
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None and norm.running_var is not None
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            weight, bias = weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain
        assert bias is not None
        tensors[f"{k}.weight"] = weight.detach().half().contiguous()
        tensors[f"{k}.bias"] = bias.detach().half().contiguous()
    return tensors


if __name__ == "__main__":
    main()
