"""Build a workflow once and write both of its forms: the front end's and the API's.

Nodes stand in columns, and their sizes are estimated from their slots and widgets, so that no
template is laid out by hand. Inputs that are not given keep their defaults.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from core_nodes import CORE_NODES, WIDGET_TYPES, declared, input_types
from diverse_inpainting import NODE_CLASS_MAPPINGS
from diverse_inpainting.nodes import TITLES

COLUMN_GAP_PX, ROW_GAP_PX = 60, 90  # a title takes 30 of the latter
SLOT_PX, WIDGET_PX, FOOT_PX = 20, 26, 44  # "Nodes 2.0" name the pack in the foot
LINE_PX, LETTER_PX, PARAGRAPH_PX = 17, 5.6, 10  # of a note
GROUP_PADDING_PX, GROUP_TITLE_PX = 20, 80


@dataclass(frozen=True)
class Output:
    """One output of a node, to be linked."""

    node: "Placed"
    slot: int


@dataclass
class Placed:
    """A node in a workflow."""

    id: int
    type: str
    values: dict[str, object]
    """Widget values and `Output`s by input."""
    position: tuple[int, int]
    size: tuple[int, int]
    title: str | None = None

    def __getitem__(self, slot: int) -> Output:
        return Output(self, slot)


@dataclass
class Workflow:
    """A graph that grows from left to right, column by column."""

    name: str
    nodes: list[Placed] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Placed] = field(default_factory=list)
    _column: tuple[int, int, int] = (0, 0, 320)  # left, next top, width

    def column(self, width: int = 320) -> None:
        """Start a column right of the last one."""
        left, _, last = self._column
        self._column = (left + last + COLUMN_GAP_PX if self.nodes or self.notes else 0, 0, width)

    def add(
        self, node_type: str, *, title: str | None = None, images_px: int = 0, **values: object
    ) -> Placed:
        """Add a node below the last one of its column; images_px: height of the images on it."""
        inputs, outputs, widgets = declared(node_type, NODE_CLASS_MAPPINGS)
        unknown = set(values) - {name for name, _ in inputs}
        assert not unknown, f"{node_type} has no inputs {unknown}"
        sockets = sum(name not in widgets for name, _ in inputs)
        height = max(sockets, len(outputs)) * SLOT_PX + len(widgets) * WIDGET_PX + FOOT_PX
        placed = self._place(node_type, values, height + images_px, title)
        self.nodes.append(placed)
        return placed

    def note(self, text: str, title: str = "Note") -> Placed:
        """Add a note in Markdown, whose paragraphs and list items are a line each."""
        letters = int((self._column[2] - 50) / LETTER_PX)
        lines = [1 + len(line) // letters for line in text.splitlines() if line]
        height = LINE_PX * sum(lines) + PARAGRAPH_PX * len(lines) + FOOT_PX
        placed = self._place("MarkdownNote", {"text": text}, height, title)
        self.notes.append(placed)
        return placed

    def group(self, title: str, *members: Placed) -> None:
        """Put a titled frame around nodes."""
        left, top = (min(node.position[axis] for node in members) for axis in (0, 1))
        right, bottom = (
            max(node.position[axis] + node.size[axis] for node in members) for axis in (0, 1)
        )
        self.groups.append(
            {
                "id": len(self.groups) + 1,
                "title": title,
                "bounding": [
                    left - GROUP_PADDING_PX,
                    top - GROUP_TITLE_PX,
                    right - left + 2 * GROUP_PADDING_PX,
                    bottom - top + GROUP_TITLE_PX + GROUP_PADDING_PX,
                ],
                "color": "#3f789e",
                "font_size": 24,
                "flags": {},
            }
        )

    def _place(
        self, node_type: str, values: dict[str, Any], height: int, title: str | None
    ) -> Placed:
        left, top, width = self._column
        self._column = (left, top + height + ROW_GAP_PX, width)
        number = len(self.nodes) + len(self.notes) + 1
        return Placed(number, node_type, values, (left, top), (width, height), title)

    def prompt(self) -> dict[str, Any]:
        """Return the API's form."""
        return {
            str(node.id): {
                "class_type": node.type,
                "inputs": {
                    key: [str(value.node.id), value.slot] if isinstance(value, Output) else value
                    for key, value in _values(node).items()
                },
                "_meta": {"title": node.title or TITLES.get(node.type, node.type)},
            }
            for node in self.nodes
        }

    def front_end(self, app: dict[str, list[Any]] | None = None) -> dict[str, Any]:
        """Return the front end's form.

        Args:
            app: what the app mode of recent front ends shows: inputs as [node, widget], outputs.
        """
        links: list[list[Any]] = []
        saved = [_saved(node, links) for node in self.nodes]
        for link, source, slot, *_ in links:
            next(n for n in saved if n["id"] == source)["outputs"][slot]["links"].append(link)
        saved += [_saved_note(note) for note in self.notes]
        for order, node in enumerate(saved):
            node["order"] = order
        return {
            "id": str(uuid5(NAMESPACE_URL, f"diverse-inpainting/{self.name}")),
            "revision": 0,
            "last_node_id": len(saved),
            "last_link_id": len(links),
            "nodes": saved,
            "links": links,
            "groups": self.groups,
            "config": {},
            "extra": {
                "ds": {"scale": 0.7, "offset": [60, 120]},
                **({} if app is None else {"linearData": app}),
            },
            "version": 0.4,
        }

    def write(self, folder: Path, app: dict[str, list[Any]] | None = None) -> None:
        """Write NAME.json and api/NAME.json."""
        forms = {folder: self.front_end(app), folder / "api": self.prompt()}
        for parent, form in forms.items():
            text = json.dumps(form, indent=1, ensure_ascii=False) + "\n"
            (parent / f"{self.name}.json").write_text(text, encoding="utf-8")


def _values(node: Placed) -> dict[str, Any]:
    """Return the value of every widget and the source of every linked input, in their order."""
    inputs, _, _ = declared(node.type, NODE_CLASS_MAPPINGS)
    values = {}
    for name, kind in inputs:
        if name in node.values:
            values[name] = node.values[name]
        elif kind in WIDGET_TYPES:
            values[name] = _default(node.type, name)
    return values


def _default(node_type: str, name: str) -> object:
    assert node_type not in CORE_NODES, f"give {node_type} its {name}"
    node: Any = NODE_CLASS_MAPPINGS[node_type]
    kind, options = input_types(node.INPUT_TYPES())[name]
    return options.get("default", kind[0] if isinstance(kind, list) else None)


def _saved(node: Placed, links: list[list[Any]]) -> dict[str, Any]:
    inputs, outputs, widgets = declared(node.type, NODE_CLASS_MAPPINGS)
    values = _values(node)
    entries: list[dict[str, Any]] = []
    for name, kind in inputs:
        entry: dict[str, Any] = {"name": name, "type": kind, "link": None}
        if name in widgets:
            entry["widget"] = {"name": name}
        if isinstance(source := values.get(name), Output):
            _, sent, _ = declared(source.node.type, NODE_CLASS_MAPPINGS)
            entry["link"] = len(links) + 1
            link = [entry["link"], source.node.id, source.slot, node.id, len(entries)]
            links.append([*link, sent[source.slot]])
        entries.append(entry)
    extra = {"control_after_generate": "fixed", "upload": "image"}
    stored = [
        extra[name] if name in extra else _default_if_linked(node.type, name, values[name])
        for name in widgets
    ]
    names = _output_names(node.type, outputs)
    return {
        "id": node.id,
        "type": node.type,
        "pos": list(node.position),
        "size": list(node.size),
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": entries,
        "outputs": [
            {"name": name, "type": kind, "links": []}
            for name, kind in zip(names, outputs, strict=True)
        ],
        **({"title": node.title} if node.title else {}),
        "properties": {"Node name for S&R": node.type},
        "widgets_values": stored,
    }


def _default_if_linked(node_type: str, name: str, value: object) -> object:
    return _default(node_type, name) if isinstance(value, Output) else value


def _output_names(node_type: str, kinds: list[str]) -> list[str]:
    if node_type in CORE_NODES:
        return kinds
    node = NODE_CLASS_MAPPINGS[node_type]
    return list(getattr(node, "RETURN_NAMES", kinds))


def _saved_note(note: Placed) -> dict[str, Any]:
    return {
        "id": note.id,
        "type": note.type,
        "pos": list(note.position),
        "size": list(note.size),
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": note.title,
        "properties": {},
        "widgets_values": [note.values["text"]],
        "color": "#323",
        "bgcolor": "#535",
    }
