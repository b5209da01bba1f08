"""What the tests of the command line share: its answers, and images drawn to be completed."""

import subprocess
import sys
from typing import NamedTuple

import numpy as np
from PIL import Image


class Answer(NamedTuple):
    code: int
    out: str
    err: str


def refused(answer):
    """Whether the command failed with one line of whole sentences, no traceback and no results."""
    message = answer.err.strip()
    is_sentence = message[:1].isupper() and message.endswith(".") and "Traceback" not in message
    return (answer.code, answer.out) == (2, "") and is_sentence and "\n" not in message


def launch_two(arguments, folder):
    """Run the program by accelerate in two processes on the CPU."""
    # accelerate starts one process for --cpu; for --multi_gpu two, which may take the CPU as well.
    settings = ("--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no")
    launch = (sys.executable, "-m", "accelerate.commands.launch", *settings, "--dynamo_backend=no")
    command = (*launch, "-m", "diverse_inpainting", *arguments, "--device", "cpu")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def pixels(path):
    return np.array(Image.open(path).convert("RGB")).astype(int)


def save(path, array, **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def noise(height, width, channels=3):
    shape = (height, width, channels)[: 2 if channels == 1 else 3]
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def box(height, width):
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = 255
    return mask
