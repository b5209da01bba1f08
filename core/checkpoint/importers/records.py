"""What a pickle's objects become here: inert records that hold names and arguments.

Nothing is ever imported or called. Only names of a list are accepted at all, so that a file that
mentions anything else is refused with that name.
"""

from typing import Any

from .errors import RefusedFileError

_TORCH_STORAGES = tuple(
    f"torch.{kind}Storage"
    for kind in (
        *("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool"),
        *("ComplexFloat", "ComplexDouble"),
    )
)
_TORCH_TYPES = tuple(
    f"torch.{name}"
    for name in (
        *("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8"),
        *("uint8", "bool", "device", "Size"),
    )
)
_NUMPY = tuple(
    f"{package}.{name}"
    for package in ("numpy.core", "numpy._core")
    for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
)

ORDERED_DICT = "collections.OrderedDict"
EASY_DICTS = ("dnnlib.util.EasyDict", "dnnlib.EasyDict")
MAPPINGS = (
    *(ORDERED_DICT, "collections.defaultdict", *EASY_DICTS, "easydict.EasyDict"),
    *("addict.addict.Dict", "mmcv.utils.config.ConfigDict"),
)
NAMESPACES = ("argparse.Namespace", "types.SimpleNamespace")
PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
TENSORFLOW_NETWORK = "dnnlib.tflib.network.Network"
LOAD_FROM_BYTES = "torch.storage._load_from_bytes"
REBUILD_TENSOR = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
REBUILD_PARAMETER = (
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
)
ENCODE = "_codecs.encode"

ALLOWED = frozenset(
    (
        *_TORCH_STORAGES,
        *_TORCH_TYPES,
        *_NUMPY,
        *MAPPINGS,
        *NAMESPACES,
        *REBUILD_TENSOR,
        *(PERSISTENT, TENSORFLOW_NETWORK, LOAD_FROM_BYTES, ENCODE),
        *REBUILD_PARAMETER,
        *("numpy.ndarray", "numpy.dtype", "builtins.set", "builtins.frozenset"),
        *("__builtin__.set", "__builtin__.frozenset", "pathlib.PosixPath", "pathlib.WindowsPath"),
        *("datetime.datetime", "datetime.timedelta", "collections.Counter"),
    )
)
"""Names that files of StyleGAN2 mention; as records, even these do nothing."""


class Global:
    """A name that a pickle mentions; what it stands for is never looked up."""

    __slots__ = ("path",)

    def __init__(self, module: str, name: str) -> None:
        """Accept a name of the list.

        Args:
            module: as in the file.
            name: as in the file.

        Raises:
            RefusedFileError: it is not in `ALLOWED`.
        """
        self.path = f"{module}.{name}"
        if self.path not in ALLOWED:
            raise RefusedFileError(
                f"It refers to {self.path[:120]!r}, which no generator needs.",
                "Nothing of it has been run. Use a file from a source you trust, or ask its "
                "authors for the tensors alone (.safetensors).",
            )


class Record:
    """What calling a `Global` would have made: its arguments, and what was set on it later."""

    __slots__ = ("args", "elements", "items", "path", "state")

    def __init__(self, path: str, args: tuple[Any, ...]) -> None:
        self.path = path
        self.args = args
        self.state: Any = None
        self.items: dict[Any, Any] | None = None
        self.elements: list[Any] | None = None


def mapping_of(value: object) -> dict[Any, Any] | None:
    """Return the items of a dict, of a record of one, or of a namespace; None for anything else."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, Record):
        return None
    if value.path in NAMESPACES:
        return value.state if isinstance(value.state, dict) else {}
    if value.path not in MAPPINGS:
        return None
    pairs = value.args[0] if value.args and isinstance(value.args[0], list) else []
    early = {
        pair[0]: pair[1]
        for pair in pairs
        if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
    }
    return {**early, **(value.items or {})}


def number_of(value: object) -> float | None:
    """Return a plain or NumPy number, None for anything else (True and False included)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, Record) and value.path.endswith("multiarray.scalar"):
        from .arrays import scalar_of  # it needs NumPy

        return scalar_of(value)
    return None
