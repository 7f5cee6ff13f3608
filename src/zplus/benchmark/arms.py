"""What is compared: the arms of a run, the settings that its pictures come from, and the rows of each."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from zplus.benchmark.rows import Row, Run
from zplus.spaces.registry import CODES

SIGNED = ("change", "judge_change")  # taken along the wanted change, which may be downwards
SETTINGS = {"oracle": "generated pictures", "drawn": "drawn pairs", "photo": "photos"}  # where a truth comes from
KINDS = ("without F", "with F")  # groups of spaces
ORDER = [*KINDS, "default", "as it is", *(f + name for f in ("", "f/") for name in CODES)]


class Truth(NamedTuple):
    """A definition of the oracle's true edits: whether codes move on the sphere, and where the direction was found."""

    words: str
    on_sphere: bool
    found_in: str
    expected: bool = True  # whether every run has it


TRUTHS = {
    "w": Truth("truth straight in W", False, "w"),  # in S for codes of S
    "z": Truth("truth along the geodesic in Z", True, "w"),  # of the direction's pull-back
    "z own": Truth("truth along the geodesic in Z by a direction found in Z", True, "z", expected=False),
}

Task = tuple[str, ...]  # subject, truth, and all else in which two rows must agree


class Arm(NamedTuple):
    """What is compared (`name`), and with whom: only arms of one group are compared."""

    group: str
    name: str

    def __str__(self) -> str:
        return self.name if self.group in ("", *KINDS) else f"{self.name} in {self.group}"


def arm_of(run: Run, row: Row) -> Arm:
    """Spaces are compared with spaces of their kind, methods and ablations within their space."""
    space = row.get("space") or ""
    return Arm(space, row.get("variant") or "default") if by_variant(run) else Arm(kind(space), space)


def by_arm(run: Run, rows: Iterable[Row]) -> dict[Arm, list[Row]]:
    """The rows of each arm, arms in the order of tables: known names first, others as they come."""
    rank, found = {name: i for i, name in enumerate(ORDER)}, defaultdict(list)

    def place(arm: Arm) -> list[int]:
        return [rank.get(name, rank.get(space_of_arm(name), len(rank))) for name in arm]

    for row in rows:
        found[arm_of(run, row)].append(row)
    return dict(sorted(found.items(), key=lambda item: place(item[0])))


def kind(space: str) -> str:
    """Whether a space holds a feature map."""
    return KINDS[space.lower().startswith("f")]


def setting_of(row: Row) -> str:
    """Where a row's picture and truth come from, one of `SETTINGS`."""
    if "drawn" in (row.get("truth"), row.get("source")):
        return "drawn"
    return "photo" if row.get("real") or row.get("source") == "photo" else "oracle"


def truth_words(row: Row) -> str:
    """How the truth of a row was defined, in words; "" where it has no definition of its own."""
    return TRUTHS[row["truth"]].words if row.get("truth") in TRUTHS else ""


def field(row: Row, key: str) -> str:
    """The source of a row, or one of its groups; "" if it has none."""
    return (row.get("source") if key == "source" else (row.get("groups") or {}).get(key)) or ""


def subject_means(rows: Iterable[Row], measure: str) -> dict[Task, float]:
    """The mean of a measure for each subject that has it, as (subject,)."""
    return means(rows, measure, lambda row: (row.get("subject") or "",))


def space_of_arm(name: str) -> str:
    """The space of an arm, without its way to edit."""
    return name.partition(" ")[0]


def by_variant(run: Run) -> bool:
    """Whether a run compares methods or settings, within spaces."""
    return run.facts["bench"] in ("methods", "ablations")


def means(rows: Iterable[Row], measure: str, key: Callable[[Row], Task]) -> dict[Task, float]:
    """The mean of a measure for each key of the rows that have it."""
    found = defaultdict(list)
    for row in rows:
        value = row.get(measure)
        if value is not None and math.isfinite(value):
            down = measure in SIGNED and (row.get("wanted") or 0) < 0
            found[key(row)].append(-float(value) if down else float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}
