"""Files made to do harm when they are opened; `conftest.py` makes this importable.

Each entry of `ATTACKS` returns the bytes of a file and a word that its refusal must contain. Those
that would run code write the canary file, whose path is given.
"""

import builtins
import collections
import functools
import io
import operator
import os
import pickle
import struct
import subprocess
import zipfile

import torch

import foreign_files

MAGIC = 0x1950A86A20F9469CFC6C
KIBIBYTE, MEBIBYTE = 2**10, 2**20
END = b"."


class Call:
    """Unpickling it calls a function."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def dumped(thing, protocol=2):
    return pickle.dumps(thing, protocol)


def raw(*codes):
    """Return a pickle of opcodes."""
    return b"\x80\x02" + b"".join(codes) + END


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def shell(canary):
    return f"touch {canary}"


def source(canary):
    return f"open({str(canary)!r}, 'w').close()"


# --- code ---


def nested_pickle(canary):
    """What `torch.storage._load_from_bytes` is given has a pickle of its own."""
    inner = dumped(Call(os.system, shell(canary)))
    return raw(
        named("torch.storage", "_load_from_bytes"),
        b"B" + struct.pack("<I", len(inner)) + inner,
        b"\x85R",
    )


def hostile_storage(canary, legacy):
    """A storage's `__reduce__` calls a function."""
    buffer = io.BytesIO()
    tree = {"g_ema": {"input.input": torch.zeros(3), "x": Call(os.system, shell(canary))}}
    torch.save(tree, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def persistent_id_with_code(canary):
    """The persistent id itself calls a function."""
    call = named("posix", "system") + text(shell(canary)) + b"\x85R"
    return legacy_file(b"(" + text("storage") + call + b"tQ")


def chain(canary):
    """A function made of others, called in the end."""
    return dumped(Call(functools.partial(functools.partial(os.system), shell(canary))))


def call_of_a_result(canary):
    """The callable is what an allowed name would return."""
    return raw(named("collections", "OrderedDict"), b")R", text(source(canary)), b"\x85R")


def build_on_a_class(canary):
    """BUILD would set attributes of a class."""
    return raw(named("argparse", "Namespace"), b"}", text("x"), number(1), b"sb")


def by_extension():
    return raw(b"\x82\x01")


def by_instance(canary):
    return b"\x80\x02(" + text(shell(canary)) + b"iposix\nsystem\n" + END


def old_protocol(canary):
    return pickle.dumps(Call(os.system, shell(canary)), 0)


# --- cost ---


def big_memo():
    """Python's unpickler allocates 32 GB for this index."""
    return raw(b"N", b"r" + struct.pack("<I", 2**32 - 1), b"0")


def doubled(code, times):
    """A tuple or list of itself twice, again and again, on the stack."""
    first = {"tuple": b")", "list": b"]"}[code]
    step = {"tuple": b"2\x86", "list": b"q\x00](h\x00h\x00e"}[code]
    return first + step * times


def tuple_as_a_key():
    """Hashing it takes 2^64 steps."""
    return raw(b"}", doubled("tuple", 64), b"Ns")


def tuple_in_a_shape():
    """Printing it takes 2^64 steps."""
    storage = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu")
    storage += number(1) + b"tQ"
    shape = doubled("tuple", 64)
    return legacy_file(
        named("torch._utils", "_rebuild_tensor_v2"),
        b"(" + storage + number(0) + shape + shape + b"\x89" + b"}tR",
        keys=["0"],
        values=struct.pack("<qf", 1, 0.0),
    )


def dict_of_dicts(depth=60):
    """A dict whose two items are one dict whose two items are ...: 2^60 tensors."""
    step = b"q\x00}(" + text("a") + b"h\x00" + text("b") + b"h\x00u"
    return raw(b"}", step * depth)


def deep_records(depth=100_000):
    return raw(named("torch._utils", "_rebuild_parameter") * depth, b")", b"\x85R" * (depth - 1))


def announced(code, layout, size):
    return raw(code + struct.pack(layout, size) + b"x" * KIBIBYTE)


def many_objects(size=8 * MEBIBYTE):
    return raw(b"(" + b"]" * size + b"l")


def many_frames(size=MEBIBYTE):
    return raw((b"\x95" + b"\0" * 8) * (size // 9), b"N")


def wide_characters():
    """One wide character makes every character take four bytes."""
    return raw(text("a" * 15_000_000 + "\U0001f600") * 2)


def long_key():
    """A name of 15 MB, joined to other names a thousand times."""
    name = text("a" * 15_000_000) + b"q\x010"
    return raw(name, b"}", b"q\x00}(h\x01h\x00u" * 1000)


def legacy_file(*content, keys=(), values=b""):
    """Return an old PyTorch file with the given opcodes as its object."""
    head = [dumped(MAGIC), dumped(1001), dumped({"little_endian": True})]
    return b"".join([*head, raw(*content), dumped([*keys]), values])


def storage_without_values(count):
    content = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu")
    long = struct.pack("<q", count)
    content += b"\x8a\x08" + long + b"tQ"
    return legacy_file(content, keys=["0"], values=long + b"x" * KIBIBYTE)


def repeated_values():
    """A tensor of 4 GB made of one value."""
    tensor = torch.zeros(1).expand(32_768, 32_768)
    return saved({"input.input": tensor})


def saved(tree, legacy=False):
    buffer = io.BytesIO()
    torch.save(tree, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def one_storage_many_times(number_of_layers=400):
    """4 MB that a generator's filters would read 400 times."""
    shared = torch.zeros(MEBIBYTE)
    tree = {f"convs.{i}.conv.blur.kernel": shared for i in range(number_of_layers)}
    golden = foreign_files.read_golden("psp_32").source
    plain = {name.removeprefix("decoder."): tensor for name, tensor in golden.items()}
    return saved({**plain, **tree})


def one_weight_many_times(width=384):
    """A generator of 5 MB whose weights, were they not all the same, would take 40 MB."""
    values = torch.zeros(width * width * 9)
    kernel, square = values.view(1, width, width, 3, 3), values[: width * width].view(width, width)
    ones = values[:width]
    tree = {"input.input": values[: width * 16].view(1, width, 4, 4)}
    for layer in ("style.1", "style.2"):
        tree |= {f"{layer}.weight": square, f"{layer}.bias": ones}
    for number, layer in enumerate(["conv1", *(f"convs.{i}" for i in range(6))]):
        side = 2 ** ((number + 5) // 2)
        tree |= {
            f"{layer}.conv.weight": kernel,
            f"{layer}.conv.modulation.weight": square,
            f"{layer}.conv.modulation.bias": ones,
            f"{layer}.activate.bias": ones,
            f"{layer}.noise.weight": values[:1],
            f"noises.noise_{number}": values[: side * side].view(1, 1, side, side),
        }
    for layer in ("to_rgb1", "to_rgbs.0", "to_rgbs.1", "to_rgbs.2"):
        tree |= {
            f"{layer}.conv.weight": values[: width * 3].view(1, 3, width, 1, 1),
            f"{layer}.conv.modulation.weight": square,
            f"{layer}.conv.modulation.bias": ones,
            f"{layer}.bias": values[:3].view(1, 3, 1, 1),
        }
    return saved(tree)


def many_blocks():
    """Thirty blocks of one channel: noise for them would take 2^60 values."""
    tree = {"input.input": torch.zeros(1, 1, 4, 4), "style.1.weight": torch.zeros(1, 1)}
    tree |= {f"convs.{i}.conv.weight": torch.zeros(1, 1, 1, 3, 3) for i in range(60)}
    tree |= {"conv1.conv.weight": torch.zeros(1, 1, 1, 3, 3), "conv1.noise.weight": torch.zeros(1)}
    return saved(tree)


def zip_bomb():
    """A gigabyte of zeros in a megabyte."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (200 * MEBIBYTE))
    return buffer.getvalue()


def many_entries(count=30_000):
    """A directory of empty entries, each of which costs zipfile 600 bytes."""
    entry = b"PK\x01\x02" + b"\0" * 24 + struct.pack("<3H", 6, 0, 0) + b"\0" * 12
    directory = b"".join(entry + f"{i:06x}".encode() for i in range(count))
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 0, 0, len(directory), 4, 0)
    return b"PK\x03\x04" + directory + end


def overlapping_entries():
    """A thousand names for the same values."""
    content = saved({"a": torch.zeros(MEBIBYTE // 4)})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = next(i for i in archive.infolist() if i.filename.endswith("data/0"))
    entry = b"PK\x01\x02" + struct.pack(
        "<6H3I5H2I",
        20,
        20,
        0,
        0,
        0,
        0,
        0,
        info.file_size,
        info.file_size,
        8,
        0,
        0,
        0,
        0,
        0,
        info.header_offset,
    )
    directory = b"".join(entry + f"data/{i:03d}".encode() for i in range(1000))
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 0, 0, len(directory), len(content), 0)
    return content + directory + end


def safetensors_header(size):
    return struct.pack("<Q", size) + b"{" + b"[" * min(size, 2 * MEBIBYTE)


def nested_header():
    return struct.pack("<Q", 100_001) + b"{" + b"[" * 100_000


def colliding_keys(count=20_000):
    """Whole numbers with one hash: each new key is compared with all earlier ones."""
    prime = 2**61 - 1
    keys = b"".join(
        b"\x8a\x0b" + (i * prime + 1).to_bytes(11, "little", signed=True) + b"N"
        for i in range(1, count)
    )
    return raw(b"}(" + keys + b"u")


ATTACKS = {
    "os.system": lambda c: (dumped(Call(os.system, shell(c))), "system"),
    "os.system, protocol 4": lambda c: (dumped(Call(os.system, shell(c)), 4), "system"),
    "os.system, protocol 0": lambda c: (old_protocol(c), "neither"),
    "subprocess": lambda c: (
        dumped(Call(subprocess.run, ["touch", str(c)]), 4),
        "subprocess",
    ),
    "eval": lambda c: (dumped(Call(builtins.eval, source(c))), "eval"),
    "exec": lambda c: (dumped(Call(builtins.exec, source(c))), "exec"),
    "getattr": lambda c: (dumped(Call(getattr, "x", "join")), "getattr"),
    "attrgetter": lambda c: (dumped(operator.attrgetter("system")), "attrgetter"),
    "partial chain": lambda c: (chain(c), "functools.partial"),
    "torch.load": lambda c: (dumped(Call(torch.load, str(c))), "torch"),
    "method of an allowed class": lambda c: (
        raw(b"\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93"),
        "fromkeys",
    ),
    "call of a result": lambda c: (call_of_a_result(c), "plain name"),
    "state of a class": lambda c: (build_on_a_class(c), "sets the state"),
    "extension": lambda c: (by_extension(), "opcode"),
    "instance": lambda c: (by_instance(c), "opcode"),
    "nested pickle": lambda c: (nested_pickle(c), "system"),
    "storage in a zip file": lambda c: (hostile_storage(c, False), "system"),
    "storage in an old file": lambda c: (hostile_storage(c, True), "system"),
    "persistent id": lambda c: (persistent_id_with_code(c), "system"),
    "default factory": lambda c: (
        dumped(collections.defaultdict(functools.partial(os.system, shell(c)))),
        "functools.partial",
    ),
    "big memo": lambda c: (big_memo(), "cut or damaged"),
    "tuple as a key": lambda c: (tuple_as_a_key(), "tuple"),
    "tuple in a shape": lambda c: (tuple_in_a_shape(), "shape"),
    "dict of dicts": lambda c: (dict_of_dicts(), "nested or shared"),
    "deep records": lambda c: (deep_records(), "objects"),
    "colliding keys": lambda c: (colliding_keys(), "key"),
    "2 GB of bytes in 1 KB": lambda c: (announced(b"B", "<I", 2**31), "2,147,483,648"),
    "4 EB of bytes in 1 KB": lambda c: (announced(b"\x8e", "<Q", 2**62), "announces"),
    "2 GB of text in 1 KB": lambda c: (announced(b"X", "<I", 2**31), "2,147,483,648"),
    "2 GB of a bytearray": lambda c: (announced(b"\x96", "<Q", 2**31), "2,147,483,648"),
    "2 GB of a number": lambda c: (announced(b"\x8b", "<I", 2**31 - 1), "2,147,483,647"),
    "many objects": lambda c: (many_objects(), "more objects"),
    "many frames": lambda c: (many_frames(12 * MEBIBYTE), "more objects"),
    "wide characters": lambda c: (wide_characters(), "bytes of memory"),
    "long key": lambda c: (long_key(), "bytes of memory"),
    "2 GB of values in 1 KB": lambda c: (storage_without_values(2**29), "2,147,483,648"),
    "negative count": lambda c: (storage_without_values(-1), "unknown place"),
    "repeated values": lambda c: (repeated_values(), "does not fit"),
    "one storage many times": lambda c: (one_storage_many_times(), "another filter"),
    "one weight many times": lambda c: (one_weight_many_times(), "more memory"),
    "many blocks": lambda c: (many_blocks(), "pixels"),
    "zip bomb": lambda c: (zip_bomb(), "entries take"),
    "many entries": lambda c: (many_entries(), "no PyTorch file"),
    "overlapping entries": lambda c: (overlapping_entries(), "entries take"),
    "2 GB header": lambda c: (safetensors_header(2**31), "neither"),
    "2 MB header": lambda c: (safetensors_header(2 * MEBIBYTE), "header"),
    "nested header": lambda c: (nested_header(), "header"),
}
