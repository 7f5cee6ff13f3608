"""A run folder as it is read: run.json, which says what was run, and rows.jsonl, a measurement a line.

Nothing is misread: a folder of another version or a damaged line is refused by name. A last line without its end is
what a killed run leaves, and is passed over.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zplus.errors import ZplusError
from zplus.files import regular

VERSION = 1
LARGEST = 1e30  # of numbers: beyond, a plot has no axes
SEEN = 512  # numbers of VGG16 on a picture
BRIGHTEST = 1e5  # of them: the kernel takes their sixth power, which then is no larger than `LARGEST`
DEPTH = 20  # of what lies in run.json
BENCHES = ("spaces", "methods", "ablations", "speed")
FACTS = {  # what run.json may say, and of which kind
    "bench": str, "zplus": str, "versions": dict, "machine": dict, "model": str, "fingerprint": str, "settings": dict,
    "started": str, "command": str, "seconds": float, "skipped": list, "plan": dict, "finished": bool,
    "sittings": list,
}  # fmt: skip
TEXT = (
    "table", "trial", "subject", "source", "space", "variant", "direction", "truth", "feature", "check", "what", "file",
)  # fmt: skip
FLAGS = ("real", "reached", "passed")
MEASURES = {  # what a row may have measured, and how a reader calls it
    "lpips_vgg": "LPIPS-VGG", "lpips_alex": "LPIPS-Alex", "mse": "MSE", "ssim": "SSIM",
    "ms_ssim": "MS-SSIM", "error_lpips": "LPIPS to truth", "base_lpips": "LPIPS to truth, no edit",
    "error_alex": "LPIPS-Alex to truth", "error_ssim": "1 - SSIM to truth", "error_mse": "MSE to truth",
    "change": "change", "judge_change": "change by the held-out scorer",
    "identity_distance": "identity distance", "rank": "rank", "off_target": "off-target change",
    "sharpness": "sharpness", "kernel": "kernel distance", "lec": "image LEC", "pn_norm": "PN norm",
    "layer_angle": "angle between layers", "seconds": "seconds", "reached": "share of changes reached",
}  # fmt: skip
NUMBERS = (*(name for name in MEASURES if name not in FLAGS), "strength", "wanted", "value", "limit", "seed", "repeat")
WORDS = {str: "text", bool: "true or false", float: "a number", dict: "an object"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run folder: its run.json, its rows in order, and whether a last line was cut."""

    folder: Path
    facts: dict[str, Any]
    rows: tuple[Row, ...]
    cut: bool

    def table(self, name: str) -> list[Row]:
        """The rows of one table."""
        return [row for row in self.rows if row["table"] == name]


def read_run(folder: str | Path) -> Run:
    """Read a run folder that `zplus bench` wrote; ZplusError if it is none, of another version, or damaged."""
    folder = Path(folder)
    facts = _facts(folder)
    lines, rest = _lines(folder / "rows.jsonl")
    rows = tuple(_row(folder, number, line) for number, line in enumerate(lines, 1) if line.strip())
    return Run(folder, facts, rows, bool(rest.strip()))


def picture_path(folder: Path, name: str) -> Path:
    """Where a picture of the run lies; ValueError if its name leads out of the folder."""
    path = Path(os.path.realpath(folder / name))  # which has no objection to links in a circle
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"the file {name[:80]!r} lies outside the folder")
    return path


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    try:
        facts = json.loads(regular(path).read_bytes())
    except OSError as error:
        raise ZplusError(
            f"{folder} is no run folder ({path} cannot be read): give one that zplus bench wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ZplusError(f"{path} is damaged ({error}): run the benchmark again.") from error
    if not isinstance(facts, dict) or "zplus_run" not in facts:
        raise ZplusError(f"{path} does not belong to a run of zplus: give a folder that zplus bench wrote.")
    _check_version(path, facts)
    found = {name: facts.setdefault(name, kind()) for name, kind in FACTS.items()}
    wrong = [name for name, value in found.items() if not _is(value, FACTS[name]) or _deep(value)]
    if wrong or facts["bench"] not in BENCHES:
        raise ZplusError(f"{path} is damaged (in {', '.join(wrong) or 'bench'}): run the benchmark again.")
    return facts


def _check_version(path: Path, facts: dict[str, Any]) -> None:
    version, writer = facts["zplus_run"], str(facts.get("zplus"))[:20]
    if type(version) is not int or version != VERSION:
        raise ZplusError(
            f"{path} is of version {str(version)[:20]} (zplus {writer}) and this zplus reads version {VERSION}: "
            "use the zplus that wrote it, or run the benchmark again."
        )


def _lines(path: Path) -> tuple[list[bytes], bytes]:
    """The whole lines and what follows the last line end."""
    try:
        *lines, rest = regular(path).read_bytes().split(b"\n")
    except OSError as error:
        packed = f"unpack {path.name}.gz there" if path.with_name(f"{path.name}.gz").exists() else "run it again"
        raise ZplusError(f"{path} cannot be read ({error.strerror}), so the run has no rows: {packed}.") from error
    return lines, rest


def _row(folder: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
        if problem := next(_problems(folder, row), None):
            raise ValueError(problem)
    except (ValueError, RecursionError) as error:
        where = f"Line {number} of {folder / 'rows.jsonl'}"
        raise ZplusError(f"{where} is damaged ({error}): take the line out, or run the benchmark again.") from error
    return row


def _problems(folder: Path, row: Any) -> Iterator[str]:
    """What is wrong with a row; null means not measured and is right everywhere but in "table"."""
    if not isinstance(row, dict) or not isinstance(row.get("table"), str):
        yield "it is no object with a table"
        return
    for names, kind in ((TEXT, str), (FLAGS, bool), (NUMBERS, float), (("groups",), dict)):
        yield from (f"{name} is not {WORDS[kind]}" for name in names if not _is(row.get(name), kind, empty=True))
    if (seen := row.get("seen")) and not _is_seen(seen):
        yield f"seen are not {SEEN} numbers of {BRIGHTEST:g} at most"
    if not all(isinstance(value, str) for value in (row.get("groups") or {}).values()):
        yield "groups hold something else than text"
    if row["table"] == "picture":
        picture_path(folder, row.get("file") or "..")


def _is_seen(value: Any) -> bool:
    """Whether these are numbers of VGG16. One call for all of them: each would be checked in the test run."""
    return (
        isinstance(value, list)
        and len(value) == SEEN
        and all(type(x) in (int, float) and abs(x) <= BRIGHTEST for x in value)
    )


def _deep(value: Any, room: int = DEPTH) -> bool:
    """Whether lists and objects lie in each other deeper than a writer of runs puts them."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not room or any(_deep(x, room - 1) for x in inner)


def _is(value: Any, kind: type, empty: bool = False) -> bool:
    if kind is float:
        known = isinstance(value, float | int) and type(value) is not bool and abs(value) <= LARGEST
        return known or (empty and value is None)
    return (empty and value is None) or isinstance(value, kind)
