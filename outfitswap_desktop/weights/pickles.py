"""Which names a pickle would call, read from its opcodes without running it; only names on a list are let through.

Reading, not loading: torch is not imported here, and what passes is still loaded by libraries in their restricted mode.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator
from typing import IO, Any, Final

MOST_BYTES: Final = 256_000_000
"""Of one pickle: the values lie outside of it, in files of their own."""

_EXACT: Final = frozenset(
    {
        *("collections.OrderedDict", "collections.defaultdict", "_codecs.encode", "__builtin__.set", "builtins.set"),
        *(
            "__builtin__.dict",
            "builtins.dict",
            "__builtin__.list",
            "builtins.list",
            "builtins.slice",
            "__builtin__.slice",
        ),
        *("__builtin__.bytearray", "builtins.bytearray", "builtins.int", "builtins.float", "builtins.complex"),
        *("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"),
        *("torch._utils._rebuild_device_tensor_from_numpy", "torch.Size", "torch.device", "torch.dtype"),
        *("torch.serialization._get_layout", "torch._tensor._rebuild_from_type_v2", "torch.Tensor"),
        *("numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
        *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
        *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
        *("ultralytics.utils.IterableSimpleNamespace", "ultralytics.yolo.utils.IterableSimpleNamespace"),
    }
)
_DETECTORS: Final = frozenset({"__builtin__.getattr", "builtins.getattr"})
"""Published YOLOv8 files name it; the library's restricted loader lets it reach names of network layers alone."""
_FORMS: Final = (
    re.compile(r"torch\.(Double|Float|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)Storage"),
    re.compile(r"torch\.storage\.(UntypedStorage|TypedStorage)"),
    re.compile(r"torch\.(float16|float32|float64|bfloat16|u?int8|int16|int32|int64|bool)"),
    re.compile(r"torch\.nn\.modules\.[a-z]+\.[A-Z][A-Za-z0-9]*"),
    re.compile(r"torch\.nn\.parameter\.Parameter"),
    re.compile(r"ultralytics\.(yolo\.)?nn\.(tasks|modules(\.[a-z]+)?)\.[A-Z][A-Za-z0-9]*"),
    re.compile(r"ultralytics\.utils\.(loss|tal)\.[A-Za-z0-9]*(Loss|Assigner)"),
    re.compile(r"ultralytics\.nn\.modules\.[a-z]+\.[A-Z][A-Za-z0-9]*"),
)
_STRINGS: Final = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
_GETS: Final = frozenset({"GET", "BINGET", "LONG_BINGET"})
_PUTS: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_EXTENSIONS: Final = frozenset({"EXT1", "EXT2", "EXT4"})


class BadPickle(ValueError):
    """A pickle that is damaged, or calls something that weights have no need of. The text says what, in a phrase."""


def names_in(source: IO[bytes]) -> Iterator[str]:
    """Every "module.name" that one pickle would look up. Raises BadPickle where that cannot be told for certain.

    `source` stands behind the pickle afterwards.
    """
    memo: dict[int, str | None] = {}
    top: list[str | None] = []  # the strings that certainly lie on top of the stack; anything else empties it
    try:
        for opcode, argument, _ in _operations(source):
            name = opcode.name
            if name in _STRINGS:
                top.append(argument)
            elif name in _GETS:
                top.append(memo.get(int(argument)))
            elif name == "MEMOIZE":
                memo[len(memo)] = top[-1] if top else None
            elif name in _PUTS:
                memo[int(argument)] = top[-1] if top else None
            elif name == "GLOBAL":
                top = []
                yield ".".join(argument.split(" ", 1))
            elif name == "STACK_GLOBAL":
                pair = top[-2:]
                top = []
                if len(pair) < 2 or None in pair:
                    raise BadPickle("it hides what it would call")
                yield ".".join(str(part) for part in pair)
            elif name == "INST" or name in _EXTENSIONS:
                raise BadPickle("it calls things in a way that weights never do")
            else:
                top = []
    except BadPickle:
        raise
    except (ValueError, KeyError, IndexError, EOFError, UnicodeDecodeError, AttributeError, OverflowError) as problem:
        raise BadPickle("it is damaged or cut off") from problem


def _operations(source: IO[bytes]) -> Iterator[tuple[Any, Any, int | None]]:
    return pickletools.genops(source)


def refuse_strangers(source: IO[bytes], *, detector: bool) -> tuple[str, ...]:
    """The names in one pickle, when all of them are on the list; raises BadPickle naming the first that is not."""
    found = []
    for name in names_in(source):
        known = name in _EXACT or (detector and name in _DETECTORS) or any(form.fullmatch(name) for form in _FORMS)
        if not known:
            raise BadPickle(f"it would call {_printable(name)}")
        found.append(name)
    return tuple(dict.fromkeys(found))


def _printable(name: Any) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(name))[:60]
