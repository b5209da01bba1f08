"""Writing what the model made of one image."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..core.image_files import ImageFile
from ..core.inpainting import Inpainting
from ..core.originals import losses
from ..core.printable import get_logger
from .result_files import Completed, Record, ResultFiles

_log = get_logger(__name__)


def save_results(
    result: Inpainting,
    file: ImageFile,
    files: ResultFiles,
    *,
    record: Record | None = None,
    variants: Sequence[int] | None = None,
    is_opaque: bool = False,
    on_result: Callable[[], object] = lambda: None,
) -> None:
    """Write the results and the contact sheet of one image, one result at a time.

    To be called with the files `claimed`.

    Args:
        result: the completed image.
        file: what was completed.
        files: the files to write.
        record: see `ResultFiles.write`.
        variants: see `ResultFiles.write`.
        is_opaque: see `Original.filled`.
        on_result: called before each result; may raise to stop.

    Raises:
        InputError: files that cannot be written.
    """

    def prepared(variant: Tensor) -> Tensor:
        on_result()
        return variant.cpu()

    for warning in (*result.warnings, *losses(file.original, files.suffix)):
        _log.warning("%s", warning)
    # What the file holds in 8 bits is rounded at once: a quarter of the memory.
    dtype = torch.uint8 if file.original.pixels.dtype == np.uint8 else torch.float32
    completed = Completed(
        file=file,
        image=result.erased.original[0].movedim(0, -1).cpu(),
        hole_mask=result.erased.hole_mask[0, 0].cpu(),
        results=map(prepared, result.composites.variants(0, dtype)),
        weight=result.weight[0].cpu(),
        is_opaque=is_opaque,
    )
    files.write(completed, record or {}, variants)
