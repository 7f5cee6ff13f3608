"""The attacker wants a command run: every way of naming or calling, in every place where a pickle can lie."""

import io
import pickle

import pytest
import torch
from assemble import CONTAINERS, MAGIC, Ops, bare, built, call, loaded, name, state_dict, stream, tensor, value
from reading import Attack, check

GLOBALS = [
    "os.system", "posix.system", "nt.system", "subprocess.Popen", "builtins.eval", "builtins.exec", "builtins.getattr",
    "builtins.__import__", "importlib.import_module", "codecs.encode", "pickle.loads", "runpy.run_path",
    "torch.hub.load", "torch.load", "torch.storage._load_from_bytes_", "torch.classes.load_library", "numpy.load",
    "torch._utils._rebuild_wrapper_subclass", "torch._utils._rebuild_qtensor", "socket.socket", "shutil.rmtree",
    "dnnlib.util.open_url", "collections.OrderedDict.__init__", "__main__.Generator",
]  # fmt: skip
HOSTILE = call("os.system", "echo hostile")
WAYS = {  # of naming or calling os.system
    "global": HOSTILE,
    "stack_global": Ops(value("os") + value("system") + b"\x93" + value(("echo",)) + b"R"),
    "inst": Ops(b"(" + value("echo") + b"ios\nsystem\n"),
    "obj": Ops(b"(" + name("os.system") + value("echo") + b"o"),
    "newobj": Ops(name("os.system") + value(("echo",)) + b"\x81"),
    "newobj_ex": Ops(name("os.system") + value(("echo",)) + b"}\x92"),
    "build": built(name("os.system"), {"__setstate__": 1}),
    "never_called": Ops(name("os.system") + b"0N"),
}
OPCODES = {  # that no checkpoint needs, or on what they cannot be used on
    "ext1": Ops(b"\x82\x01"),
    "ext2": Ops(b"\x83\x01\x00"),
    "ext4": Ops(b"\x84\x01\x00\x00\x00"),
    "persid": Ops(b"Pos.system\n"),
    "binpersid": Ops(value("os.system") + b"Q"),
    "inst_known": Ops(b"(inumpy\nndarray\n"),
    "obj_known": Ops(b"(" + name("numpy.ndarray") + b"o"),
    "newobj_ex_known": Ops(name("numpy.ndarray") + b")}\x92"),
    "call_of_a_text": Ops(value("os.system") + b")R"),
    "call_of_what_was_made": Ops(call("torch.device", "cpu") + b")R"),
    "build_of_a_list": built(Ops(b"]"), {"append": 1}),
    "build_of_a_name": built(name("torch.device"), {"__reduce__": 1}),
    "name_that_is_a_number": Ops(value(1) + value(2) + b"\x93"),
    "name_that_is_a_list": Ops(b"]]\x93"),
    "next_buffer": Ops(b"\x97"),
    "readonly_buffer": Ops(b"N\x98"),
}
ATTACKS = {
    **{f"{full} in a pickle": Attack(lambda x=full: bare(call(x, "echo")), f"names '{full}'") for full in GLOBALS},
    **{
        f"{way} in {kind}": Attack(lambda w=ops, c=container: c(w), r"names '(os|posix)\.system'|INST|OBJ|NEWOBJ_EX")
        for way, ops in WAYS.items()
        for kind, container in CONTAINERS.items()
    },
    **{
        f"{code} in {kind}": Attack(lambda o=ops, c=container: c(o), "refused|damaged|expected|No StyleGAN")
        for code, ops in OPCODES.items()
        for kind, container in CONTAINERS.items()
    },
    "a pickle in a pickle in a storage": Attack(
        lambda: bare(state_dict(tensor(of=loaded(stream(loaded(bare(HOSTILE))))))), "lies in another one"
    ),
    "a pickle before the storage": Attack(lambda: bare(state_dict(tensor(of=loaded(bare(HOSTILE))))), "os.system"),
    "a pickle as the system's description": Attack(lambda: bare(MAGIC) + bare(1001) + bare(HOSTILE), "os.system"),
    "python's own pickle": Attack(lambda: pickle.dumps({"G_ema": print}), "builtins.print"),
    "torch's own zip": Attack(lambda: _torch_saved({"G_ema": print}), r"builtin.*\.print"),
}


def _torch_saved(x: object) -> bytes:
    file = io.BytesIO()
    torch.save(x, file)
    return file.getvalue()


@pytest.mark.parametrize("attack", ATTACKS)
def test_to_run_a_command(attack, outcomes):
    check(outcomes[f"test_to_run_something {attack}"], ATTACKS[attack])
