"""The command `scale`: `inpaint` on many processes and machines, with its options."""

import inspect
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args
from urllib.parse import unquote, urlsplit

import typer

from ..core.errors import DiverseInpaintingError, InputError
from .inpaint import inpaint

if TYPE_CHECKING:
    from .stores import Stores

_Actors = Annotated[
    int | None,
    typer.Option(
        "--actors", min=1, help="Processes [default: one per GPU or, without GPUs, per core]"
    ),
]
_GpusPerActor = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-actor",
        min=0,
        help="0.5 lets two processes share a GPU [default: 1 if there are GPUs]",
    ),
]
_Address = Annotated[
    str | None,
    typer.Option("--address", help="A running Ray cluster; auto for the one of this machine."),
]

_PLACES = ("source", "mask", "out", "recorded")  # options that may be URLs, which Path would mend


def scale(
    context: typer.Context,
    *,
    actors: int | None,
    gpus_per_actor: float | None,
    address: str | None,
    **options: Any,  # noqa: ANN401 - those of inpaint
) -> None:
    """Complete images on many processes or machines: inpaint, run by Ray.

    INPUT, --mask and --out may be in object stores (s3://bucket/folder ...). Other options, results
    and the report are those of inpaint. A process that dies is started again; what is done is kept
    when the command is repeated.
    """
    from .stores import Stores

    with tempfile.TemporaryDirectory(prefix="diverse-inpainting-") as folder:
        stores = Stores(Path(folder))
        try:
            places = {name: _locate(name, options, stores) for name in _PLACES}
            context.obj = _cluster(
                stores, places, options, actors=actors, gpus=gpus_per_actor, address=address
            )
            inpaint(context, **{**options, **places, "device": "cpu"})
        except DiverseInpaintingError as error:
            raise _translated(error, stores) from error


def _signature() -> inspect.Signature:
    """Return the parameters of inpaint, with places as plain text, and those of `scale`."""
    parameters = []
    for parameter in inspect.signature(inpaint).parameters.values():
        if parameter.name in _PLACES:
            hint, *details = get_args(parameter.annotation)
            text = {list[Path]: list[str], list[Path] | None: list[str] | None, Path: str}
            hint = text.get(hint, str | None)
            parameter = parameter.replace(annotation=Annotated[hint, *details])
        parameters.append(parameter)
    own = {"actors": _Actors, "gpus_per_actor": _GpusPerActor, "address": _Address}
    for name, annotation in own.items():
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=None, annotation=annotation))
    return inspect.Signature(parameters)


scale.__signature__ = _signature()  # pyright: ignore[reportFunctionMemberAccess]


def _locate(name: str, options: dict[str, Any], stores: "Stores") -> Any:  # noqa: ANN401
    """Return the paths of an option of `inpaint`; for URLs, paths that stand for them.

    Raises:
        InputError: a store that cannot be read or, for --out, written.
    """
    from .stores import is_url

    value = options[name]
    if isinstance(value, list):
        return [_locate(name, {**options, name: one}, stores) for one in value]
    if value is None:
        return None
    if value.startswith("file://"):
        return Path(unquote(urlsplit(value).path))
    if not is_url(value):
        return Path(value)
    if options["dry_run"]:
        raise InputError(
            "local folders with --dry-run", value, "Copy some of the images to this machine."
        )
    if name == "out":
        stores.check_writable(stores.path(value))
        return stores.path(value)
    beside = name == "source" and not options["mask"]
    return stores.mirror(value, recursive=options["recursive"], beside=beside)


def _cluster(
    stores: "Stores",
    places: dict[str, Any],
    options: dict[str, Any],
    *,
    actors: int | None,
    gpus: float | None,
    address: str | None,
) -> Any:  # noqa: ANN401 - a Cluster, whose module takes seconds to import
    from .cluster import Cluster, load_ray

    load_ray(address)  # without the extra this fails before anything is read
    paths = [path for name in ("source", "mask") for path in places[name] or ()]
    return Cluster(
        actors=actors,
        gpus_per_actor=gpus,
        address=address,
        model=options["model"],
        device=options["device"],
        download=options["download"],
        out=places["out"],
        inputs=tuple(path for path in paths if not stores.url(path) and path.exists()),
        stores=stores,
    )


def _translated(error: DiverseInpaintingError, stores: "Stores") -> DiverseInpaintingError:
    """Return an error with URLs in place of the paths that stand for them."""
    shown = map(stores.shown, (error.expected, error.got, error.remedy))
    return type(error)(*shown, problem=stores.shown(error.problem))
