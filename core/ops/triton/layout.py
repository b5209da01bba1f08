"""Memory layout of feature maps, as kernels see them."""

import contextlib
import math
from contextlib import AbstractContextManager

import torch
import triton.language as tl
from torch import Tensor


def is_channels_last(x: Tensor) -> bool:
    """Return whether the channels of [B, C, H, W] are adjacent in memory."""
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)


def dense(x: Tensor, channels_last: bool) -> Tensor:
    """Return x without gaps in memory, in one of two formats."""
    format_ = torch.channels_last if channels_last else torch.contiguous_format
    return x.contiguous(memory_format=format_)


def inner_size(x: Tensor) -> int:
    """Return how many adjacent elements of a dense [B, C, ...] belong to one channel."""
    return 1 if is_channels_last(x) else math.prod(x.shape[2:])


def accumulator(x: Tensor) -> tl.dtype:
    """Return the dtype to compute in."""
    return tl.float64 if x.dtype == torch.float64 else tl.float32


def on_device_of(x: Tensor) -> AbstractContextManager[object]:
    """Launch kernels on the device of x, which need not be the current one."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()
