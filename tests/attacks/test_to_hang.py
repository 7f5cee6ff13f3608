"""The attacker wants an endless loop, or an overflow of the stack: cycles, and structures deep in each other."""

import pytest
from assemble import Ops, bare, built, call, name, network, state_dict, storage, tensor, value, zipped
from reading import Attack, check

DEVICE = name("torch.device")
DEEP_TUPLE = Ops(b"N" + b"\x85" * 200_000)


def deep(opened: bytes, closed: bytes, count: int = 150_000) -> Ops:
    return Ops(opened * count + b"N" + closed * count)


def modules(levels: int, width: int) -> Ops:
    """Networks in each other, each many times, so that paths are countless and the file is small."""
    made = network({})
    for _ in range(levels):
        inner = b"".join(value(f"m{k}") + b"h\x01" for k in range(width))
        made = Ops(made + b"q\x010" + network({"_modules": Ops(b"}(" + inner + b"u")}))
    return made


CYCLE = b"}q\x01" + value("synthesis") + network({"_modules": Ops(b"h\x01")}) + b"q\x02s0"
CYCLES = {
    "a list in itself": Ops(b"]q\x00h\x00a"),
    "a dictionary in itself": Ops(b"}q\x00" + value("G_ema") + b"h\x00s"),
    "a dictionary of dictionaries in itself": Ops(b"}q\x00" + value("state_dict") + b"h\x00s"),
    "a state that is its owner": Ops(call("torch.device", "cpu") + b"q\x00h\x00b"),
    "a module in itself": Ops(CYCLE + value({"G_ema": Ops(b"h\x02")})),
    "modules in each other countless times": Ops(modules(5, 60)),
    "lists in lists": deep(b"]", b"a"),
    "countless tuples in tuples": Ops(b"N" + b"\x85" * 400_000),
    "dictionaries in dictionaries": deep(b"}" + value("k"), b"s", 100_000),
    "records in records": Ops(b"N" + (b"\x85q\x000" + DEVICE + b"h\x00R") * 70_000),
    "parameters in parameters": Ops(
        value(state_dict(Ops(b"N" + (b"\x85q\x000" + name("torch._utils._rebuild_parameter") + b"h\x00R") * 100_000)))
    ),
    "networks in networks": Ops(
        b"N" + (b"q\x000" + network({"_modules": {"synthesis": Ops(b"h\x00")}})) * 5000 + b"q\x000" + b"h\x00"
    ),
    "a deep tuple as a key": Ops(b"}" + DEEP_TUPLE + b"Ns"),
    "a deep tuple as a key of a storage": Ops(value(state_dict(tensor(of=storage(DEEP_TUPLE))))),
    "a deep tuple as a name": Ops(value("os") + DEEP_TUPLE + b"\x93"),
    "a deep tuple as a shape": Ops(value(state_dict(tensor(shape=DEEP_TUPLE)))),
    "a name that is endless as a text": Ops(b"]" + b"q\x00]h\x00ah\x00a" * 100 + value("x") + b"\x93"),
    "a class that is endless as a text": network({}, class_name=Ops(b"]" + b"q\x000]h\x00ah\x00a" * 100)),
    "an option that is endless as a text": network(
        {
            "architecture": Ops(b"]" + b"q\x000]h\x00ah\x00a" * 100),
            "_modules": {k: network({}) for k in ("mapping", "synthesis")},
        }
    ),
    "keys of one hash": Ops(b"}(" + b"".join(value((2**61 - 1) * k) + b"N" for k in range(50_000)) + b"u"),
    "a key that is slow to hash": Ops(b"}" + value("x" * 2_000_000) + b"Ns"),
    "a long dictionary made many times": Ops(
        value([("k", None)] * 100_000) + b"\x85q\x000](" + (name("collections.OrderedDict") + b"h\x00R") * 20_000 + b"e"
    ),
    "a state given twice": built(built(call("torch.device", "cpu"), {}), {}),
}
ATTACKS = {
    f"{what} in {kind}": Attack(lambda x=x, c=container: c(x), "refused|damaged|No StyleGAN|no StyleGAN|not supported")
    for what, x in CYCLES.items()
    for kind, container in (("a pickle", bare), ("a zip", zipped))
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_to_hang_the_reader(attack, outcomes):
    check(outcomes[f"test_to_hang {attack}"], ATTACKS[attack])
