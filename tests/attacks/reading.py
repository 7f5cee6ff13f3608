"""Reads every attack in a process of its own, in little memory and under a hook that tells whatever happens there.

Run as a program, so that the type checks of the test run can neither hide a gap nor take its time:

    python reading.py FOLDER

prints as JSON, by attack: [seconds, the kind of the error, its text, events that were seen and may not be].
"""

import encodings.cp437  # noqa: F401  # how zipfile reads names, loaded at first use
import importlib
import json
import pickle
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from mutate import originals

from zplus.generators.checkpoints.read import read_checkpoint

MODULES = ("test_to_run_something", "test_to_read_outside", "test_to_hang", "test_to_fill_memory", "test_to_mislead")
MEMORY = 2 << 30  # of addresses, beyond those of the loaded program
SECONDS = 8.0  # of the processor, for a file
FORBIDDEN = ("exec", "compile", "import", "pickle.", "socket.", "subprocess.", "os.", "shutil.", "ctypes.", "urllib.")


class Attack(NamedTuple):
    """How the file is made, and what the sentence that refuses it must say (a regular expression)."""

    build: Callable[[], bytes]
    words: str


def named(words: str, **builders: Callable[[], bytes]) -> dict[str, Attack]:
    return {key.replace("_", " "): Attack(build, words) for key, build in builders.items()}


def check(outcome: list, attack: Attack) -> None:
    seconds, kind, sentence, events = outcome
    assert kind == "CheckpointError", sentence
    assert seconds < SECONDS
    assert sentence.isprintable() and len(sentence) <= 400 and sentence.startswith("attack.pkl: ")
    assert re.search(attack.words, sentence), sentence
    assert events == []


def outcome(path: Path, seen: list[str], read: Callable = read_checkpoint) -> list:
    began, kind, text = time.process_time(), "nothing", ""
    seen.clear()
    try:
        read(path)
    except BaseException as error:
        kind, text = type(error).__name__, str(error)[:2000]
    return [round(time.process_time() - began, 2), kind, text, sorted(set(seen))]


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name, content in originals(folder).items():  # what is loaded at first use is loaded now
        (folder / name).write_bytes(content)
        read_checkpoint(folder / name)
    found = [(m, key, x) for m in MODULES for key, x in importlib.import_module(m).ATTACKS.items()]
    path, seen, results, watching = folder / "attack.pkl", [], {}, False

    def hook(event: str, arguments: tuple) -> None:
        writes = event == "open" and (arguments[1] not in ("r", "rb", None) or arguments[2] & 3)
        if watching and (writes or event.startswith(FORBIDDEN)):
            seen.append(f"{event} {arguments[:1]}"[:100])

    sys.addaudithook(hook)
    _limit_memory()
    for module, key, attack in found:
        path.write_bytes(attack.build())
        watching = True
        results[f"{module} {key}"] = outcome(path, seen)
        watching = False
    watching = True  # the control: Python's own reader is seen to find a class and to import
    path.write_bytes(b"cantigravity\nx\n.")
    results["control"] = outcome(path, seen, lambda path: pickle.loads(b"cthis_is_no_module\nx\n."))
    watching = False
    print(json.dumps(results))


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource  # noqa: PLC0415  # not on every system

        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
