"""Reads a pickle without running it: opcodes build plain data and inert records.

Unlike Python's own unpickler, it checks sizes as it reads (`stream.py`), numbers the memo with a
dict instead of an array (an index of two billion costs nothing), accepts only text, bytes and small
numbers as keys (hashing shared nested tuples takes exponential time) and gives up after a number of
opcodes. Large byte strings are views of the file. Protocols 2 to 5 are read.
"""

import contextlib
import gc
import struct
from collections.abc import Callable, Iterator
from typing import Any

from .errors import Budget, RefusedFileError, damaged
from .records import ENCODE, LOAD_FROM_BYTES, Global, Record
from .stream import Stream

_COUNT_EVERY = 256
_MAX_KEY = 2**60

Persistent = Callable[[object], object]
"""Turns a persistent id into a storage."""


class Machine(Stream):
    """The pickle machine: a stack, marks and a memo."""

    def __init__(
        self,
        data: memoryview,
        budget: Budget,
        *,
        persistent: Persistent | None = None,
        nested: Callable[[memoryview], object] | None = None,
    ) -> None:
        """Prepare to read.

        Args:
            data: bytes that start with a pickle; others may follow.
            budget: shared by all pickles of the file.
            persistent: for pickles inside PyTorch files; None refuses persistent ids.
            nested: reads the bytes of `torch.storage._load_from_bytes`; None refuses them.
        """
        super().__init__(data, budget)
        self._persistent = persistent
        self._nested = nested
        self._memo: dict[int, Any] = {}
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []

    def run(self) -> object:
        """Read one pickle, and return what it holds.

        Raises:
            RefusedFileError: it is cut, damaged, too costly, or mentions a name not allowed.
        """
        with _without_collector():
            return self._run()

    def _run(self) -> object:
        data, length = self._data, len(self._data)
        steps = 0
        try:
            while self.position < length:
                code = data[self.position]
                self.position += 1
                steps += 1
                if steps == _COUNT_EVERY:
                    self._budget.count_operations(steps)
                    steps = 0
                if code == _STOP:
                    self._budget.count_operations(steps)
                    return self._stack.pop()
                handler = _HANDLERS.get(code)
                if handler is None:
                    raise damaged(f"It has a pickle with the opcode {bytes([code])!r}.")
                handler(self)
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            raise damaged("It has a pickle that is cut or damaged.") from error
        raise damaged("It has a pickle that is cut: the end is missing.")

    # --- the stack ---

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _mark(self) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._marked.pop()
        return values

    def _tuple(self, size: int) -> None:
        if len(self._stack) < size:
            raise IndexError
        values = tuple(self._stack[-size:])
        del self._stack[-size:]
        self._push(values)

    def _duplicate(self) -> None:
        self._push(self._stack[-1])

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _memoize(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise damaged("It has a pickle that refers to an object it does not hold.")
        self._push(self._memo[index])

    # --- filling containers ---

    def _append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Record):
            target.elements = target.elements or []
            target.elements.extend(values)
        elif isinstance(target, list):
            target.extend(values)
        else:
            raise damaged("It has a pickle that appends to what is no list.")

    def _set(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Record):
            target.items = target.items or {}
            target = target.items
        if not isinstance(target, dict) or len(values) % 2:
            raise damaged("It has a pickle that sets items of what is no dict.")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not _is_key(key):
                raise damaged(f"It has a dict whose key is a {type(key).__name__}.")
            target[key] = value

    # --- objects, which stay inert ---

    def _global(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise damaged("It has a pickle with a name that is no text.")
        self._push(Global(module, name))

    def _record(self, args: object, made_by: object) -> None:
        if not isinstance(made_by, Global) or not isinstance(args, tuple):
            raise RefusedFileError(
                "It has a pickle that calls something other than a plain name.",
                "Nothing of it has been run. Use a file from a source you trust.",
            )
        if made_by.path == LOAD_FROM_BYTES:
            self._push(self._load_nested(args))
        elif made_by.path == ENCODE:
            self._push(_encode(args))
        else:
            self._push(Record(made_by.path, args))

    def _load_nested(self, args: tuple[Any, ...]) -> object:
        if self._nested is None or len(args) != 1 or not isinstance(args[0], memoryview):
            raise damaged("It has a pickle within a pickle where no tensor's values can be.")
        return self._nested(args[0])

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if not isinstance(target, Record):
            raise damaged("It has a pickle that sets the state of what has none.")
        target.state = state

    def _persistent_id(self) -> None:
        if self._persistent is None:
            raise damaged("It has a pickle that refers to data outside it.")
        self._push(self._persistent(self._stack.pop()))

    def _protocol(self) -> None:
        protocol = self.take(1)[0]
        if not 2 <= protocol <= 5:
            raise damaged(f"It has a pickle of protocol {protocol}.")


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python from searching for circles among objects that are all alive: half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _is_key(value: object) -> bool:
    if isinstance(value, bool | None):
        return True
    if isinstance(value, int):
        return abs(value) < _MAX_KEY  # crafted larger ones can all have the same hash
    return isinstance(value, str)


def _encode(args: tuple[Any, ...]) -> memoryview:
    """Return the bytes that protocol 2 writes as text."""
    if len(args) != 2 or not isinstance(args[0], str) or args[1] not in ("latin1", "latin-1"):
        raise damaged("It has a pickle with text in an unusual encoding.")
    try:
        return memoryview(args[0].encode("latin-1"))
    except UnicodeEncodeError as error:
        raise damaged("It has a pickle whose bytes are no bytes.") from error


def _new_record(machine: Machine) -> None:
    args = machine._stack.pop()
    machine._record(args, machine._stack.pop())


def _new_record_with_names(machine: Machine) -> None:
    machine._stack.pop()
    _new_record(machine)


def _global_line(machine: Machine) -> None:
    module = machine.line()
    machine._global(module, machine.line())


def _global_stack(machine: Machine) -> None:
    name = machine._stack.pop()
    machine._global(machine._stack.pop(), name)


def _set_one(machine: Machine) -> None:
    value = machine._stack.pop()
    machine._set([machine._stack.pop(), value])


_STOP = ord(".")
_HANDLERS: dict[int, Callable[[Machine], object]] = {
    ord(code): handler
    for code, handler in {
        "\x80": Machine._protocol,
        "\x95": lambda m: m.take(8),  # a frame's length: the bytes follow anyway
        "N": lambda m: m._push(None),
        "\x88": lambda m: m._push(True),
        "\x89": lambda m: m._push(False),
        "K": lambda m: m._push(m.number("<B")),
        "M": lambda m: m._push(m.number("<H")),
        "J": lambda m: m._push(m.number("<i")),
        "\x8a": lambda m: m._push(m.whole_number(m.number("<B"))),
        "\x8b": lambda m: m._push(m.whole_number(m.number("<I"))),
        "G": lambda m: m._push(m.number(">d")),
        "\x8c": lambda m: m._push(m.text(m.number("<B"))),
        "X": lambda m: m._push(m.text(m.number("<I"))),
        "\x8d": lambda m: m._push(m.text(m.number("<Q"))),
        "U": lambda m: m._push(m.text(m.number("<B"), "latin-1")),
        "T": lambda m: m._push(m.text(m.number("<I"), "latin-1")),
        "C": lambda m: m._push(m.take(m.number("<B"))),
        "B": lambda m: m._push(m.take(m.number("<I"))),
        "\x8e": lambda m: m._push(m.take(m.number("<Q"))),
        "\x96": lambda m: m._push(m.take(m.number("<Q"))),
        "(": Machine._mark,
        ")": lambda m: m._push(()),
        "\x85": lambda m: m._tuple(1),
        "\x86": lambda m: m._tuple(2),
        "\x87": lambda m: m._tuple(3),
        "t": lambda m: m._push(tuple(m._pop_mark())),
        "]": lambda m: m._push([]),
        "}": lambda m: m._push({}),
        "\x8f": lambda m: m._push(Record("builtins.set", ())),
        "\x91": lambda m: m._push(Record("builtins.frozenset", (m._pop_mark(),))),
        "l": lambda m: m._push(m._pop_mark()),
        "a": lambda m: m._append([m._stack.pop()]),
        "e": lambda m: m._append(m._pop_mark()),
        "\x90": lambda m: m._append(m._pop_mark()),
        "s": _set_one,
        "u": lambda m: m._set(m._pop_mark()),
        "0": Machine._pop,
        "1": Machine._pop_mark,
        "2": Machine._duplicate,
        "q": lambda m: m._memoize(m.number("<B")),
        "r": lambda m: m._memoize(m.number("<I")),
        "\x94": lambda m: m._memoize(len(m._memo)),
        "h": lambda m: m._recall(m.number("<B")),
        "j": lambda m: m._recall(m.number("<I")),
        "c": _global_line,
        "\x93": _global_stack,
        "R": _new_record,
        "\x81": _new_record,
        "\x92": _new_record_with_names,
        "b": Machine._build,
        "Q": Machine._persistent_id,
    }.items()
}
"""What to do for each opcode. Those of protocols 0 and 1 and the extension registry are absent."""
