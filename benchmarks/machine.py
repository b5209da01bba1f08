"""What the machine is, and how fast it multiplies: the floor that networks are compared with."""

import platform

import torch
import torch.nn.functional as F
from measuring import Clock, gflop

from diverse_inpainting.core.precision import has_avx512_bf16, has_matrix_units
from diverse_inpainting.training.hardware import device_name

_SIDES = (512, 1024)
"""Of square matrices."""
_CONVOLUTIONS = ((8, 64, 32), (4, 128, 64), (8, 256, 16))
"""Images, channels and side of 3x3 convolutions, channels last."""
_REPEATS = 5


def describe(device: torch.device) -> dict[str, str]:
    """Return the hardware and versions that decide about speed."""
    facts = {
        "device": device_name(device),
        "matrix units": _matrix_units(device),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        facts["CUDA"] = f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return facts


def _matrix_units(device: torch.device) -> str:
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"compute capability {major}.{minor}"
    if device.type != "cpu":
        return "unknown"
    if has_matrix_units(torch.bfloat16):
        return "AMX"
    return "AVX512-BF16" if has_avx512_bf16() else "none for bfloat16"


def floor(dtype: torch.dtype, clock: Clock) -> float:
    """Return the GFLOP/s of the fastest plain product: no network of this dtype can be faster."""
    device = clock.device
    works = []
    for side in _SIDES:
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        works.append(lambda a=a, b=b: a @ b)
    for num, channels, side in _CONVOLUTIONS:
        shapes = ((num, channels, side, side), (channels, channels, 3, 3))
        x, weight = (
            torch.randn(shape, device=device).to(dtype, memory_format=torch.channels_last)
            for shape in shapes
        )
        works.append(lambda x=x, weight=weight: F.conv2d(x, weight, padding=1))
    with torch.no_grad():
        return max(_speed(work, clock) for work in works)


def _speed(work, clock: Clock) -> float:  # noqa: ANN001
    amount = gflop(work)
    work()
    return amount / min(clock.seconds(work) for _ in range(_REPEATS))
