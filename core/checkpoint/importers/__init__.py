"""StyleGAN2 files of other programs, opened without running anything in them.

    from diverse_inpainting.core.checkpoint.importers import import_file
    imported = import_file(Path("stylegan2-ffhq-256x256.pkl"))
    imported.generator.tensors         # float32, by our names
    imported.generator.config          # what is needed to build the network

    contents = open_contents(Path("anything.pt"))
    contents.arrays["g_ema.input.input"].load(contents.budget)

This folder needs PyTorch and NumPy and nothing else of the package: it can be copied.

Why it is safe. A pickle is a program; Python's unpickler runs it, NVIDIA's loader also runs the
Python source that is stored in it, and `torch.storage._load_from_bytes` starts a further
unpickler. Here a machine of our own (`machine.py`) reads the opcodes and builds plain data and
inert records: names are compared with a list (`records.py`) and never looked up, so there is
nothing that could be called. All sizes are compared with the file's before memory is allocated
(`errors.Budget`), and opcodes are counted.
"""

from .contents import Contents, open_contents
from .errors import RefusedFileError
from .importing import Imported, import_file
from .sources import Network

__all__ = [
    "Contents",
    "Imported",
    "Network",
    "RefusedFileError",
    "import_file",
    "open_contents",
]
