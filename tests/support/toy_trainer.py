"""The smallest trainer, and what the tests of the loop ask about the folder that it fills."""

import json
import signal
from types import SimpleNamespace

import torch
from PIL import Image
from torch import nn

from diverse_inpainting.training.checkpointing import load_state
from diverse_inpainting.training.config import PriorConfig
from diverse_inpainting.training.loop import run

FINGERPRINT = {"recipe": "tiny", "seed": 3}
BATCH = 4


class Line:
    """Fits y = 2 x with Adam, on numbers drawn by position.

    `steps` and `exports` say what was done; `spoil` holds actions for after the step at an image.
    """

    def __init__(self, total_images=40, **intervals):
        self.recipe = SimpleNamespace(to_dict=lambda: {"name": "line"})
        self.config = PriorConfig(
            total_images=total_images,
            batch_size=BATCH,
            r1_gamma=0.0,
            r1_every=1,
            ema_half_life=1,
            **{"log_every": 8, "grid_every": 1000, "save_every": 1000, **intervals},
        )
        self.device = torch.device("cpu")
        self.net = nn.Linear(1, 1)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)
        self.modules = {"net": self.net}
        self.optimizers = {"net": torch.optim.Adam(self.net.parameters(), lr=0.05)}
        self.steps, self.exports, self.spoil = [], [], {}

    def step(self, nimg):
        self.steps.append(nimg)
        x = torch.rand(BATCH, 1, generator=torch.Generator().manual_seed(nimg))
        loss = (self.net(x) - 2 * x).square().mean()
        parameters = list(self.net.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient
        self.optimizers["net"].step()
        scalars = {"line_loss": loss, "constant": torch.tensor(nimg / 4.0)}
        for action in self.spoil.get(nimg, ()):
            action(self, scalars)
        return scalars

    def grid(self):
        return Image.new("RGB", (2, 2))

    def diagnostics(self):
        return {"slope": self.net.weight.item()}

    def export(self, folder, nimg):
        self.exports.append(nimg)


def stop(*_):
    signal.raise_signal(signal.SIGTERM)


def crash(*_):
    raise RuntimeError("power cut")


def go(trainer, folder, fingerprint=FINGERPRINT):
    return run(trainer, folder, fingerprint, lambda progress: None)


def state_of(folder):
    return load_state(max((folder / "states").iterdir()))


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_same(first, second):
    """Two nested states are equal bit for bit."""
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for a, b in zip(first, second, strict=True):
            assert_same(a, b)
    else:
        assert first == second
