"""Pickles as inert records. A pickle is a program; this interpreter runs it without importing or calling anything.

Plain values stay as they are. Objects that a pickle would create become `Made` records. Global names must be on a list.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from io import SEEK_END, BufferedIOBase
from typing import Any, NamedTuple

from zplus.errors import CheckpointError

MAX_STEPS = 1_000_000  # of a program; the longest known checkpoint takes a fifth
LONGEST_KEY = 1000  # characters
LARGEST_KEY = 1 << 60  # above it, numbers can be chosen that all have the same hash
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
KNOWN = frozenset(
    [f"torch.{name}Storage" for name in _STORAGES]
    + [f"torch._utils._rebuild_{name}" for name in ("tensor", "tensor_v2", "parameter", "parameter_with_state")]
    + [f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")]
    + ["torch.storage._load_from_bytes", "torch.device", "torch.Size", "torch.float32", "torch.float16"]
    + [f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "frozenset")]
    + [f"pathlib.{name}" for name in ("PosixPath", "PurePosixPath", "WindowsPath")]
    + ["torch.nn.modules.sparse.Embedding"]  # of StyleGAN-XL, kept as a record that nobody reads
    + ["numpy.ndarray", "numpy.dtype", "_codecs.encode", "argparse.Namespace", "collections.OrderedDict"]
    + ["dnnlib.util.EasyDict", "dnnlib.tflib.network.Network", "torch_utils.persistence._reconstruct_persistent_obj"]
)
DICTIONARIES = ("collections.OrderedDict", "dnnlib.util.EasyDict")
PERSISTENT = "a persistent id"


class Named(NamedTuple):
    """A global name in a pickle; it is never imported."""

    name: str


@dataclass(eq=False)
class Made:
    """An object that a pickle would create: the global name, its arguments, and the state set on it."""

    maker: str
    arguments: tuple[Any, ...]
    state: Any = None


def preview(value: Any) -> str:
    """A short text of a value for messages; of containers only the type, because their text could be endless."""
    if isinstance(value, str):
        return repr(value[:40])
    return repr(value)[:40] if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"


def read_pickle(
    file: BufferedIOBase, persistent: list[tuple[Any, ...]] | None = None, most_steps: int = MAX_STEPS
) -> Any:
    """The value of one pickle, from the file's position to its end; persistent ids are appended to `persistent`.

    Raises:
        CheckpointError: The pickle is damaged, too long, or names an unknown global.
    """
    machine = _Machine([] if persistent is None else persistent, most_steps)
    try:
        for code, argument, _ in pickletools.genops(_Source(file)):  # type: ignore[arg-type]  # needs no more
            machine.spend(1)
            machine.step(code.name, argument)
        return machine.stack.pop()
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        reason = " ".join(str(error).split())[:100]
        raise CheckpointError(f"The file is damaged or cut short ({type(error).__name__}: {reason}).") from None


class _Source:
    """A file that is never read beyond its end: memory is allocated for what is requested."""

    def __init__(self, file: BufferedIOBase) -> None:
        here = file.tell()
        self.left = file.seek(0, SEEK_END) - here
        file.seek(here)
        self._read, self.readline = file.read, file.readline

    def read(self, count: int) -> bytes:
        self.left -= count
        if self.left < 0:
            raise EOFError("it ends too early")
        return self._read(count)


class _Machine:
    """The stack machine of the pickle format."""

    def __init__(self, persistent: list[tuple[Any, ...]], steps: int) -> None:
        self.persistent, self.steps = persistent, steps
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # the stacks below the open marks
        self.memo: dict[int, Any] = {}

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise CheckpointError("A pickle of so many steps is refused: no known model has one.")

    def step(self, name: str, argument: Any) -> None:
        """Execute one instruction, given by its name in pickletools."""
        if name in VALUES or name in CONSTANTS:
            self.stack.append(CONSTANTS.get(name, argument))
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in MEMORY:
            self._remember(name, argument)
        elif name in ACTIONS:
            ACTIONS[name](self, argument)
        elif name not in IGNORED:
            raise CheckpointError(f"A pickle with the instruction {name} is refused: no known model has one.")

    def _remember(self, name: str, argument: Any) -> None:
        if "GET" in name:
            self.stack.append(self.memo[int(argument)])
        else:
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def open_mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.marks.pop()
        return found

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.stack = self.marks.pop()

    def global_(self, argument: str | None) -> None:
        module, name = argument.split(" ", 1) if argument else self.last(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise CheckpointError("The file names what is no text: it is damaged or hostile.")
        full = f"{module[:100]}.{name[:100]}"
        if full not in KNOWN:
            raise CheckpointError(f"The file names {full!r}, which no known model needs: it is refused.")
        self.stack.append(Named(full))

    def make(self, maker: Any, arguments: Any) -> None:
        if not isinstance(maker, Named) or not isinstance(arguments, tuple):
            raise CheckpointError("The file calls what is no function: it is damaged or hostile.")
        if maker.name in DICTIONARIES:
            pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
            self.spend(len(pairs))
            self.stack.append({})
            self.fill([x for key, value in pairs for x in (key, value)])
        else:
            self.stack.append(Made(maker.name, arguments))

    def reduce(self, _: Any) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        self.make(maker, arguments)

    def build(self, _: Any) -> None:
        state, owner = self.stack.pop(), self.stack[-1]
        if isinstance(owner, Made) and owner.state is None:
            owner.state = state
        elif not isinstance(owner, dict):  # the attributes of a dictionary are of no use here
            raise CheckpointError("The file gives a state to what can have none: it is damaged or hostile.")

    def fill(self, items: list[Any]) -> None:
        owner = self.stack[-1]
        if not isinstance(owner, dict):
            raise CheckpointError("The file fills what is no dictionary: it is damaged or hostile.")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not _may_be_key(key):
                raise CheckpointError("A dictionary with keys that are no short texts or numbers is refused.")
            owner[key] = value

    def extend(self, items: list[Any]) -> None:
        owner = self.stack[-1]
        if not isinstance(owner, list):
            raise CheckpointError("The file extends what is no list: it is damaged or hostile.")
        owner.extend(items)

    def refer(self, _: Any) -> None:
        reference = self.stack.pop()
        if not _is_storage(reference):
            raise CheckpointError("The file refers to what is no storage of a known kind: it is refused.")
        self.persistent.append(reference)
        self.stack.append(Made(PERSISTENT, reference))

    def last(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("too few values")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found


def _may_be_key(value: Any) -> bool:
    """Whether its hash is fast: that of a deep tuple overflows the stack, that of a huge integer is slow."""
    if isinstance(value, str | bytes):
        return len(value) <= LONGEST_KEY
    return value is None or (isinstance(value, int) and abs(value) < LARGEST_KEY)


def _is_storage(reference: Any) -> bool:
    """Whether a persistent id is torch's: ("storage", type, key, device, length), and None in older files."""
    if not isinstance(reference, tuple) or len(reference) not in (5, 6) or reference[5:] not in ((), (None,)):
        return False
    kind, typed, key = reference[:3]
    return kind == "storage" and isinstance(typed, Named) and isinstance(key, str) and _may_be_key(key)


VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
MEMORY = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"}
IGNORED = {"PROTO", "FRAME", "STOP"}
ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.open_mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda m, _: (m.since_mark(), None)[1],
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "APPEND": lambda m, _: m.extend(m.last(1)),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "ADDITEMS": lambda m, _: m.extend(m.since_mark()),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "FROZENSET": lambda m, _: m.push(m.since_mark()),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.last(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.last(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.last(3))),
    "SETITEM": lambda m, _: m.fill(m.last(2)),
    "SETITEMS": lambda m, _: m.fill(m.since_mark()),
    "DICT": lambda m, _: _dictionary(m),
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.global_,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.refer,
}


def _dictionary(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.push({})
    machine.fill(items)
