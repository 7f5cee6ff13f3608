"""From rows to paired contrasts: two spaces (or two methods within a space) on the same subjects.

Rows are matched in all that was asked for (source, direction, truth), and averaged to one difference a subject.
A win counts only under all definitions of the truth, and both with every task at its nearest strength and with the
tasks alone that both arms reached: p is the largest of all. The primary contrasts of the plan stand alone; the others
are corrected together by Holm's method, their intervals too.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zplus.benchmark.arms import (
    KINDS,
    SETTINGS,
    TRUTHS,
    Arm,
    Task,
    arm_of,
    by_arm,
    by_variant,
    field,
    kind,
    means,
    setting_of,
    space_of_arm,
)
from zplus.benchmark.rows import MEASURES, Row, Run
from zplus.benchmark.statistics import ALPHA, MINIMUM, RESAMPLES, Comparison, compare, holm, student_interval
from zplus.errors import ZplusError
from zplus.perception.metrics import METRICS

HIGHER = {"judge_change", "reached", *(name for name, metric in METRICS.items() if metric.higher_is_better)}
CONTRASTED = {
    "reconstruction": ("lpips_vgg", "identity_distance", "kernel"),
    "edit": (
        "error_lpips", "error_alex", "error_ssim", "reached", "judge_change", "identity_distance", "off_target",
        "kernel",
    ),
}  # fmt: skip
OF_PHOTOS = "identity_distance"  # what the primary contrast is about where there is no truth
NO_EDIT = "no edit"
WHOLE = ("reached", "kernel")  # measures that say nothing of the reached tasks alone: of all tasks, of whole sets


class Part(NamedTuple):
    """What a comparison is made of: a definition of the truth ("" if there is but one), every task or those reached."""

    truth: str = ""
    reached: bool = False


@dataclass(frozen=True)
class Contrast:
    """Arm a against arm b by one measure in one setting.

    gains: by part, a number a subject, positive where a is better; parts: what they say. There is no part of the
    reached tasks where both arms reached all.
    """

    table: str
    measure: str
    group: str
    a: str
    b: str
    setting: str
    gains: dict[Part, Float[np.ndarray, " _"]]
    parts: dict[Part, Comparison]
    p: float  # the largest of the parts, 1 if they disagree in sign, nan if one has too few subjects
    tasks: int  # that both arms were given
    unreached: int  # those whose wanted change not both arms reached
    lost: int  # tasks besides, in which one arm alone could be measured
    family: int = 1  # p is corrected for so many contrasts

    @property
    def verdict(self) -> str:
        """The name of the better arm if all intervals and p say so, else "not significant" or "too few"."""
        parts = self.parts.values()
        if min(part.n for part in parts) < MINIMUM:
            return "too few"
        for name, wins in (
            (self.a, min(part.low for part in parts) > 0),
            (self.b, max(part.high for part in parts) < 0),
        ):
            if wins and self.p <= ALPHA:
                return name
        return "not significant"


def primaries(run: Run, resamples: int = RESAMPLES) -> list[Contrast]:
    """The contrast that the plan named before the run, in each setting that has rows.

    Photos have no truth, so there it is about the person. Where arms are variants, the plan may give their "space".
    """
    plan = _plan(run)
    if not plan:
        return []
    table, names = plan["table"], (plan["a"], plan["b"])
    if not by_variant(run) and kind(names[0]) != kind(names[1]):
        raise ZplusError(f"The plan compares {' with '.join(names)}, of which one has F: name two spaces of one kind.")
    there = {setting_of(row) for row in run.table(table)} or {"oracle"}
    return [
        _Rows(run, table, setting).contrast(_planned(plan, setting), _group(run, plan), names, resamples)
        for setting in SETTINGS
        if setting in there
    ]


def _planned(plan: dict[str, str], setting: str) -> str:
    """The measure of the primary contrast in a setting."""
    return OF_PHOTOS if setting == "photo" and plan["measure"].startswith("error_") else plan["measure"]


def _group(run: Run, plan: dict[str, str]) -> str:
    """The group of the primary contrast; "" is any."""
    return plan.get("space") or "" if by_variant(run) else kind(plan["a"])


def others(run: Run) -> list[Contrast]:
    """The reference of each group against the other arms of it, and its other ways to edit against the plan's b.

    All by the measures of `CONTRASTED`, corrected by Holm, with p and intervals of Student's t: random signs are too
    few for the p of a large family.
    """
    found, plan = [], _plan(run)
    for table, setting in product(CONTRASTED, SETTINGS):
        rows = _Rows(run, table, setting)
        planned = plan and (plan["table"], _planned(plan, setting), {plan["a"], plan["b"]})
        for measure, (group, a, b) in product(CONTRASTED[table], _pairs(run, list(rows.arms))):
            if (table, measure, {a, b}) != planned or _group(run, plan) not in ("", group):
                found.append(rows.contrast(measure, group, (a, b), None))
    return _corrected(found)


def _pairs(run: Run, known: Sequence[Arm]) -> Iterator[tuple[str, str, str]]:
    """Which arms are compared: a group and two names of it."""
    b = _plan(run).get("b", "").removeprefix("f/")
    for arm in known:
        reference = _reference(run, known, arm.group)
        if arm != reference:
            yield arm.group, reference.name, arm.name
        rival, way = Arm(arm.group, b if arm.group == KINDS[0] else f"f/{b}"), space_of_arm(reference.name)
        if not by_variant(run) and rival in known and arm not in (reference, rival) and space_of_arm(arm.name) == way:
            yield arm.group, arm.name, rival.name


def baselines(run: Run) -> list[Contrast]:
    """Each arm's edits against no edit, by the distance to the truth, corrected by Holm among themselves."""
    edits = [_Rows(run, "edit", setting) for setting in SETTINGS]
    return _corrected(
        [rows.contrast("error_lpips", group, (name, NO_EDIT), None) for rows in edits for group, name in rows.arms]
    )


def within(run: Run, whole: Contrast, key: str, resamples: int = RESAMPLES) -> dict[str, Contrast]:
    """A contrast again for each "source" of its rows, or each value of a group ("sex"), exploratory."""
    rows = _Rows(run, whole.table, whole.setting).all
    found = {}
    for value in sorted({field(row, key) for row in rows} - {""}):
        some = _Rows(run, whole.table, whole.setting, (row for row in rows if field(row, key) == value))
        found[value] = some.contrast(whole.measure, whole.group, (whole.a, whole.b), resamples)
    return found


def _plan(run: Run) -> dict[str, str]:
    """What run.json planned as the primary contrast; empty if it planned none."""
    plan = run.facts["plan"].get("primary") or {}
    named = isinstance(plan, dict) and all(isinstance(plan.get(name), str) for name in ("table", "measure", "a", "b"))
    if plan and not (named and plan["measure"] in MEASURES):
        raise ZplusError("The plan in run.json must name table, measure, a and b of its primary contrast: mend it.")
    return plan


def _reference(run: Run, known: Sequence[Arm], group: str) -> Arm:
    """What the others of a group are held against: the plan's a, its sibling in the other kind, else the first."""
    a = _plan(run).get("a", "z+")
    if not by_variant(run):
        a = a.removeprefix("f/") if group == KINDS[0] else "f/" + a.removeprefix("f/")
    of = [arm for arm in known if arm.group == group]
    planned = (arm for name in (a, space_of_arm(a)) for arm in of if arm.name == name)  # or its space, before an edit
    return next(planned, of[0])


class _Rows:
    """The rows of one table in one setting, by arm."""

    def __init__(self, run: Run, table: str, setting: str, rows: Iterable[Row] | None = None):
        self.run, self.table, self.setting = run, table, setting
        self.all = [row for row in run.table(table) if setting_of(row) == setting] if rows is None else [*rows]
        self.arms = by_arm(run, self.all)

    def contrast(self, measure: str, group: str, names: tuple[str, str], resamples: int | None) -> Contrast:
        """The first name against the second, which may be no edit; a group of "" is any. resamples: as in `compare`."""
        a, b = (self._of(group, name) for name in names)
        b, other = (a, "base_lpips") if names[1] == NO_EDIT else (b, measure)
        truths = [""]
        if self.table == "edit" and self.setting == "oracle":
            truths = [x for x, truth in TRUTHS.items() if truth.expected or any(row.get("truth") == x for row in a)]
        gains, tasks = dict[Part, np.ndarray](), list[int]()
        for reached in (False, True):
            first, second = (_tasks(self.run, *of, reached) for of in ((a, measure), (b, other)))
            both = {task: first[task] - second[task] for task in sorted(first.keys() & second.keys())}
            tasks.append(len(both))
            found = {Part(x, reached): _gains(both, x, 1 if measure in HIGHER else -1) for x in truths}
            if not reached:
                gains |= found
                lost = len(first.keys() ^ second.keys())
            elif measure not in WHOLE and tasks[1] < tasks[0]:
                gains |= found
        parts = {part: compare(x, resamples) for part, x in gains.items()}
        p, unreached = _joint(list(parts.values())), tasks[0] - tasks[1]
        return Contrast(self.table, measure, group, *names, self.setting, gains, parts, p, tasks[0], unreached, lost)

    def _of(self, group: str, name: str) -> list[Row]:
        return [row for arm, rows in self.arms.items() if arm.name == name and group in ("", arm.group) for row in rows]


def _gains(differences: dict[Task, float], truth: str, sign: int) -> Float[np.ndarray, " _"]:
    """The mean gain under a truth ("" is all of them), a number a subject."""
    found: dict[str, list[float]] = defaultdict(list)
    for task, difference in differences.items():
        if truth in ("", task[1]):
            found[task[0]].append(sign * difference)
    return np.array([np.mean(x) for x in found.values()], dtype=np.float64)


def _joint(parts: list[Comparison]) -> float:
    if min(part.n for part in parts) < MINIMUM:
        return math.nan
    return max(part.p for part in parts) if len({np.sign(part.mean) for part in parts}) == 1 else 1.0


def _corrected(found: list[Contrast]) -> list[Contrast]:
    """Those that share any task, with p by Holm, and with intervals of the level that p was corrected to."""
    found = [contrast for contrast in found if contrast.tasks]
    p, number = holm(np.array([contrast.p for contrast in found], dtype=np.float64))
    family = int(np.isfinite(p).sum())
    return [
        replace(one, p=float(value), family=family, parts=_widened(one, float(n)))
        for one, value, n in zip(found, p, number, strict=True)
    ]


def _widened(contrast: Contrast, number: float) -> dict[Part, Comparison]:
    """Its parts with intervals that are corrected for a number of contrasts."""
    if not math.isfinite(number):
        return contrast.parts
    found = {}
    for part, said in contrast.parts.items():
        low, high = student_interval(contrast.gains[part], 1 - ALPHA / number)
        found[part] = said._replace(low=low, high=high)
    return found


def _tasks(run: Run, rows: Iterable[Row], measure: str, reached: bool = False) -> dict[Task, float]:
    """The mean for each task, of all rows or of those that reached the wanted change.

    An edit whose change has no reading, as that of a face that was not found, was not matched and is none.
    """
    kept = (row for row in rows if row["table"] != "edit" or row.get("change") is not None)
    kept = (row for row in kept if not reached or row.get("reached") is not False)
    return means(kept, measure, lambda row: _task(run, row))


def _task(run: Run, row: Row) -> Task:
    """What an arm was asked; the wanted change follows from it."""
    asked = (row.get(name) or "" for name in ("subject", "truth", "source", "direction"))
    return *asked, arm_of(run, row).group
