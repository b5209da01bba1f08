"""Fixed-seed picture grids."""

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor


def picture_grid(images: Tensor, columns: int) -> Image.Image:
    """Tile pictures [N, 3, R, R] in [-1, 1], row by row; N must be divisible by columns."""
    tiled = rearrange(images, "(r c) k h w -> (r h) (c w) k", c=columns)
    data = tiled.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(data.cpu().numpy())
