"""Pickles as inert records: a pickle is a program, and this runs it without importing or calling what it names.

Plain values stay what they are; whatever a pickle would make by a call becomes a `Made` that says so. Names are taken
from a list, and one that is not on it is refused.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, NamedTuple

from zplus.errors import CheckpointError

MOST_STEPS = 2_000_000  # of a program; the longest known checkpoint takes a tenth
PLAIN = (str, bytes, int, float, bool, type(None))  # may be keys: a deep tuple would overflow the stack when hashed
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
KNOWN = frozenset(
    [f"torch.{name}Storage" for name in _STORAGES]
    + [f"torch._utils._rebuild_{name}" for name in ("tensor", "tensor_v2", "parameter", "parameter_with_state")]
    + [f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")]
    + ["torch.storage._load_from_bytes", "torch.device", "torch.Size", "torch.float32", "torch.float16"]
    + ["numpy.ndarray", "numpy.dtype", "_codecs.encode", "argparse.Namespace", "collections.OrderedDict"]
    + ["dnnlib.util.EasyDict", "dnnlib.tflib.network.Network", "torch_utils.persistence._reconstruct_persistent_obj"]
)
DICTIONARIES = ("collections.OrderedDict", "dnnlib.util.EasyDict")
PERSISTENT = "a persistent id"


class Named(NamedTuple):
    """A global that a pickle names, never imported."""

    name: str


@dataclass(eq=False)
class Made:
    """What a pickle asks to be made: by which global, with which arguments, and the state it is then given."""

    maker: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickle(file: BufferedIOBase, persistent: list[tuple[Any, ...]] | None = None) -> Any:
    """The value of one pickle, from the file's position to just after its end; its persistent ids join a list.

    Raises CheckpointError.
    """
    machine = _Machine([] if persistent is None else persistent)
    try:
        for count, (code, argument, _) in enumerate(pickletools.genops(file)):
            if count > MOST_STEPS:
                raise CheckpointError(f"A pickle of more than {MOST_STEPS} steps is refused: no known model has one.")
            machine.step(code.name, argument)
        return machine.stack.pop()
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        reason = " ".join(str(error).split())[:100]
        raise CheckpointError(f"The file is damaged or cut short ({type(error).__name__}: {reason}).") from None


class _Machine:
    """The stack machine that pickles are written for."""

    def __init__(self, persistent: list[tuple[Any, ...]]) -> None:
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # the stacks below the open marks
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction, by its name in pickletools."""
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
        module, name = argument.split(" ", 1) if argument else reversed([self.stack.pop(), self.stack.pop()])
        full = f"{module}.{name}"
        if full not in KNOWN:
            raise CheckpointError(f"The file names {full[:100]!r}, which no known model needs: it is refused.")
        self.stack.append(Named(full))

    def make(self, maker: Any, arguments: Any) -> None:
        if not isinstance(maker, Named) or not isinstance(arguments, tuple):
            raise CheckpointError("The file calls what is no function: it is damaged or hostile.")
        if maker.name in DICTIONARIES:
            pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
            self.stack.append({})
            self.fill([x for key, value in pairs for x in (key, value)])
        else:
            self.stack.append(Made(maker.name, arguments))

    def reduce(self, _: Any) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        self.make(maker, arguments)

    def new_with_keywords(self, _: Any) -> None:
        keywords, arguments, maker = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.make(maker, (*arguments, keywords))

    def instance(self, argument: str | None) -> None:
        arguments = self.since_mark()
        if argument:
            self.global_(argument)
        maker = self.stack.pop() if argument else arguments.pop(0)
        self.make(maker, tuple(arguments))

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
            if not isinstance(key, PLAIN):
                raise CheckpointError("A dictionary with keys that are no plain values is refused.")
            owner[key] = value

    def extend(self, items: list[Any]) -> None:
        owner = self.stack[-1]
        if not isinstance(owner, list):
            raise CheckpointError("The file extends what is no list: it is damaged or hostile.")
        owner.extend(items)

    def refer(self, _: Any) -> None:
        reference = self.stack.pop()
        if not isinstance(reference, tuple):
            raise CheckpointError("The file refers to what is no storage: it is damaged or hostile.")
        self.persistent.append(reference)
        self.stack.append(Made(PERSISTENT, reference))

    def last(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("too few values")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found


VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
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
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "INST": _Machine.instance,
    "OBJ": _Machine.instance,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.refer,
}


def _dictionary(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.push({})
    machine.fill(items)
