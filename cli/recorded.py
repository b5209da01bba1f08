"""Settings from the record of a result, and what has changed since."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..core.editor import Edit
from ..core.errors import InputError
from ..core.mask_edits import MaskEdits
from ..core.precision import PRECISIONS
from ..core.printable import printable, shown
from .result_files import MADE_BY, Record, read_record, with_blend_of_0_2
from .settings import Settings

# Options whose settings have another name.
_OPTIONS = {
    "num_variants": "variants",
    "edits": "edit",
    "truncation_psi": "truncation",
    "crop_mode": "crop",
    "feather_px": "feather",
    "fit_steps": "fit",
}
_MASK_OPTIONS = {"grow_px": "mask_grow", "blur_px": "mask_blur"}

_FACTS = {"model", "picture", "mask", MADE_BY}  # of a record, beside the settings
_NOT_RECORDED = ("on_step", "max_megapixels")
_SETTINGS = {field.name for field in dataclasses.fields(Settings)} - {*_NOT_RECORDED}


def load_record(path: Path) -> Record:
    """Return the record of a result or contact sheet.

    Raises:
        InputError: no such file, or it holds none.
    """
    if not path.is_file():
        raise InputError(
            "a result of this command",
            str(path),
            "Check the path.",
            problem=f"No such file: {path}.",
        )
    record = read_record(path)
    if record is None:
        raise InputError(
            f"a result of this command in {path}",
            "a file that does not say how it was made",
            "Give the contact sheet that was written beside it, or the settings themselves.",
            problem=f"{path} does not say how it was made.",
        )
    return record


def merge_settings(
    record: Record, asked: Settings, is_given: Callable[[str], bool], path: Path
) -> Settings:
    """Return recorded settings, with those that were given as options beside them.

    Args:
        record: of a result.
        asked: settings from all options, defaults among them.
        is_given: tells by an option's parameter name whether it was given.
        path: of the result, for messages.

    Raises:
        InputError: the record is damaged, of a later version, or has an edit with a direction from
            a file, which a record does not hold.
    """
    unknown = set(record) - _FACTS - _SETTINGS
    if unknown:
        raise _unusable(path, f"the unknown settings {shown(sorted(unknown))}")
    if MADE_BY not in record:
        record = with_blend_of_0_2(record)
    merged: dict[str, Any] = {name: getattr(asked, name) for name in _NOT_RECORDED}
    for name in _SETTINGS:
        asked_for = getattr(asked, name)
        if name == "mask_edits":
            merged[name] = _merge_mask_edits(record.get(name, {}), asked_for, is_given, path)
        elif is_given(_OPTIONS.get(name, name)) or name not in record:
            merged[name] = asked_for
        elif name == "edits":
            merged[name] = _read_edits(record[name], path)
        else:
            merged[name] = _checked(record[name], getattr(Settings(), name), name, path)
    return Settings(**merged)


def recorded_precision(record: Record, path: Path) -> str:
    """Return the precision that a result was made in; float32 for one of before version 0.3.

    Args:
        record: of a result.
        path: of the result, for messages.

    Raises:
        InputError: the record is damaged or of a later version.
    """
    made_by = record.get(MADE_BY)
    found = made_by.get("precision", "float32") if isinstance(made_by, dict) else "float32"
    if found not in PRECISIONS:
        raise _unusable(path, f"precision {shown(found)}")
    return found


def _merge_mask_edits(
    recorded: object, asked: MaskEdits, is_given: Callable[[str], bool], path: Path
) -> MaskEdits:
    names = [field.name for field in dataclasses.fields(MaskEdits)]
    if not isinstance(recorded, dict) or set(recorded) - set(names):
        raise _unusable(path, f"mask_edits {shown(recorded)}")
    merged = {}
    for name in names:
        is_asked = is_given(_MASK_OPTIONS.get(name, f"mask_{name}")) or name not in recorded
        default = getattr(MaskEdits(), name)
        merged[name] = (
            getattr(asked, name) if is_asked else _checked(recorded[name], default, name, path)
        )
    return MaskEdits(**merged)


def _read_edits(recorded: object, path: Path) -> tuple[Edit, ...]:
    edits = []
    for entry in recorded if isinstance(recorded, list) else [recorded]:
        match entry:
            case [str(name), int() | float() as strength]:
                edits.append(Edit(name, float(strength)))
            case _:
                raise _unusable(path, f"the edit {shown(entry)}")
        if re.search(r" \([0-9a-f]{12}\)$", name):  # see settings._name_of
            raise InputError(
                f"edits of {path} with bundled directions",
                f"one from the file of {name}",
                "Give the edits again: --edit FILE.safetensors=STRENGTH.",
                problem=f"{path} was edited with a direction from a file, {name}.",
            )
    return tuple(edits)


def _checked(value: object, default: object, name: str, path: Path) -> Any:  # noqa: ANN401
    """Return a recorded value that has the type of the setting's default."""
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    is_optional_text = default is None and (value is None or isinstance(value, str))
    if is_optional_text or type(value) is type(default):
        return value
    raise _unusable(path, f"{name} {shown(value)}")


def _unusable(path: Path, got: str) -> InputError:
    return InputError(
        f"a record of settings in {path}, as this version writes it",
        got,
        "Update, or give the settings themselves.",
    )


def changes(record: Record, now: Record) -> Iterator[str]:
    """Yield a sentence for each of model, picture and mask that is not the recorded one.

    Args:
        record: of a result.
        now: digests under the same names; what is absent is not compared.
    """
    made_by = record.get(MADE_BY)
    named = made_by if isinstance(made_by, dict) else {}
    for fact in ("model", "picture", "mask"):
        if fact in now and now[fact] != record.get(fact):
            name = named.get("title" if fact == "model" else fact)
            known = f", {printable(name, 200)}" if isinstance(name, str) else ""
            yield f"the {fact} is not the one that the result was made with{known}"
