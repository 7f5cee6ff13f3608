"""From rows to paired contrasts: two spaces (or two methods within a space) on the same subjects.

Rows are matched in all that was asked for (direction, truth, wanted change), averaged over what was drawn (seeds), and
then to one difference a subject. Where the truth was defined twice, a win counts only under both: p is the larger of
the two. The primary contrast of the plan stands alone; the others are corrected together by Holm's method.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zplus.benchmark.rows import MEASURES, Row, Run
from zplus.benchmark.statistics import ALPHA, MINIMUM, RESAMPLES, Comparison, compare, holm
from zplus.errors import ZplusError
from zplus.perception.metrics import METRICS
from zplus.spaces.registry import CODES

HIGHER = {name for name, metric in METRICS.items() if metric.higher_is_better} | {"judge_change"}  # else lower
SIGNED = ("change", "judge_change")  # taken along the wanted change, which may be downwards
CONTRASTED = {
    "reconstruction": ("lpips_vgg", "identity_distance", "kernel"),
    "edit": ("error_lpips", "judge_change", "identity_distance", "off_target", "kernel"),
}
SETTINGS = {"oracle": "generated pictures", "drawn": "drawn pairs", "photo": "photos"}  # where a truth comes from
TRUTHS = ("w", "z")  # of the oracle's edits: straight in W, along the geodesic in Z
NO_EDIT = "no edit"
KINDS = ("without F", "with F")  # groups of spaces
ORDER = [*KINDS, "default", "as it is", *(f + name for f in ("", "f/") for name in CODES)]

Task = tuple[str, ...]  # subject, truth, and all else in which two rows must agree


class Arm(NamedTuple):
    """What is compared (`name`), and with whom: only arms of one group are compared."""

    group: str
    name: str

    def __str__(self) -> str:
        return self.name if self.group in ("", *KINDS) else f"{self.name} in {self.group}"


@dataclass(frozen=True)
class Contrast:
    """Arm a against arm b by one measure in one setting; a comparison for each truth ("" where there is but one)."""

    table: str
    measure: str
    group: str
    a: str
    b: str
    setting: str
    parts: dict[str, Comparison]
    p: float  # the largest of the parts, 1 if they disagree in sign, nan if one has too few subjects
    unreached: int  # tasks excluded, because not both arms reached the wanted change
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


def primary(run: Run, resamples: int = RESAMPLES) -> Contrast | None:
    """The contrast that the plan named before the run, if it names one.

    It is that of the first setting that has rows; where arms are variants, the plan may give their "space".
    """
    plan = _plan(run)
    if not plan:
        return None
    table, measure, names = plan["table"], plan["measure"], (plan["a"], plan["b"])
    if not _by_variant(run) and kind(names[0]) != kind(names[1]):
        raise ZplusError(f"The plan compares {' with '.join(names)}, of which one has F: name two spaces of one kind.")
    there = {setting_of(row) for row in run.table(table) if row.get(measure) is not None}
    setting = next((name for name in SETTINGS if name in there), "oracle")
    group = plan.get("space") or "" if _by_variant(run) else kind(names[0])
    return _contrast(run, table, measure, group, names, setting, resamples)


def others(run: Run, resamples: int = RESAMPLES) -> list[Contrast]:
    """The reference of each group against the other arms of it, by the measures of `CONTRASTED`, corrected by Holm."""
    found, plan = [], _plan(run)
    planned = plan.get("table"), plan.get("measure"), {plan.get("a"), plan.get("b")}
    for table, setting in product(CONTRASTED, SETTINGS):
        known = list(by_arm(run, _rows(run, table, setting)))
        for measure, arm in product(CONTRASTED[table], known):
            reference = _reference(run, known, arm.group)
            names = reference.name, arm.name
            if arm != reference and (table, measure, set(names)) != planned:
                found.append(_contrast(run, table, measure, arm.group, names, setting, resamples))
    return _corrected(found)


def baselines(run: Run, resamples: int = RESAMPLES) -> list[Contrast]:
    """Each arm's edits against no edit, by the distance to the truth, corrected by Holm among themselves."""
    found = [
        _contrast(run, "edit", "error_lpips", group, (name, NO_EDIT), setting, resamples)
        for setting in SETTINGS
        for group, name in by_arm(run, _rows(run, "edit", setting))
    ]
    return _corrected(found)


def within(run: Run, whole: Contrast, key: str, resamples: int = RESAMPLES) -> dict[str, Contrast]:
    """A contrast again for each "source" of its rows, or each value of a group ("sex"), exploratory."""
    rows = _rows(run, whole.table, whole.setting)
    what = whole.table, whole.measure, whole.group, (whole.a, whole.b), whole.setting, resamples
    values = sorted({field(row, key) for row in rows} - {""})
    return {value: _contrast(run, *what, [row for row in rows if field(row, key) == value]) for value in values}


def arm_of(run: Run, row: Row) -> Arm:
    """Spaces are compared with spaces of their kind, methods and ablations within their space."""
    space = row.get("space") or ""
    return Arm(space, row.get("variant") or "default") if _by_variant(run) else Arm(kind(space), space)


def by_arm(run: Run, rows: Iterable[Row]) -> dict[Arm, list[Row]]:
    """The rows of each arm, arms in the order of tables: known names first, others as they come."""
    rank, found = {name: i for i, name in enumerate(ORDER)}, defaultdict(list)
    for row in rows:
        found[arm_of(run, row)].append(row)
    return dict(sorted(found.items(), key=lambda item: [rank.get(name, len(rank)) for name in item[0]]))


def kind(space: str) -> str:
    """Whether a space holds a feature map."""
    return KINDS[space.lower().startswith("f")]


def setting_of(row: Row) -> str:
    """Where a row's picture and truth come from, one of `SETTINGS`."""
    if "drawn" in (row.get("truth"), row.get("source")):
        return "drawn"
    return "photo" if row.get("real") or row.get("source") == "photo" else "oracle"


def field(row: Row, key: str) -> str:
    """The source of a row, or one of its groups; "" if it has none."""
    return (row.get("source") if key == "source" else (row.get("groups") or {}).get(key)) or ""


def subject_means(rows: Iterable[Row], measure: str) -> dict[Task, float]:
    """The mean of a measure for each subject that has it, as (subject,)."""
    return _means(rows, measure, lambda row: (row.get("subject") or "",))


def _plan(run: Run) -> dict[str, str]:
    """What run.json planned as the primary contrast; empty if it planned none."""
    plan = run.facts["plan"].get("primary") or {}
    named = isinstance(plan, dict) and all(isinstance(plan.get(name), str) for name in ("table", "measure", "a", "b"))
    if plan and not (named and plan["measure"] in MEASURES):
        raise ZplusError("The plan in run.json must name table, measure, a and b of its primary contrast: mend it.")
    return plan


def _by_variant(run: Run) -> bool:
    return run.facts["bench"] in ("methods", "ablations")


def _reference(run: Run, known: Sequence[Arm], group: str) -> Arm:
    """What the others of a group are held against: the plan's a, its sibling in the other kind, else the first."""
    a = _plan(run).get("a", "z+")
    sibling = a.removeprefix("f/") if group == KINDS[0] else "f/" + a.removeprefix("f/")
    wanted, of = Arm(group, a if _by_variant(run) else sibling), [arm for arm in known if arm.group == group]
    return wanted if wanted in of else of[0]


def _rows(run: Run, table: str, setting: str) -> list[Row]:
    return [row for row in run.table(table) if setting_of(row) == setting]


def _contrast(
    run: Run, table: str, measure: str, group: str, names: tuple[str, str], setting: str,
    resamples: int, rows: Sequence[Row] | None = None,
) -> Contrast:  # fmt: skip
    rows = _rows(run, table, setting) if rows is None else rows
    rows = [row for row in rows if group in ("", arm_of(run, row).group)]
    a, b = ([row for row in rows if arm_of(run, row).name == name] for name in names)
    b, other = (a, "base_lpips") if names[1] == NO_EDIT else (b, measure)
    first, second = _tasks(run, a, measure, True), _tasks(run, b, other, True)
    given = _tasks(run, a, measure).keys() & _tasks(run, b, other).keys()
    truths = TRUTHS if table == "edit" and setting == "oracle" else ("",)
    gains = _gains(first, second, 1 if measure in HIGHER else -1)
    parts = {truth: compare(gains[truth], resamples) for truth in truths}
    unreached = len(given) - len(first.keys() & second.keys())
    return Contrast(table, measure, group, *names, setting, parts, _joint(list(parts.values())), unreached)


def _gains(first: dict[Task, float], second: dict[Task, float], sign: int) -> dict[str, Float[np.ndarray, " _"]]:
    """The mean gain of the first over the second, a number a subject, for each truth and for all together ("")."""
    found: dict[str, dict[str, list[float]]] = {truth: defaultdict(list) for truth in ("", *TRUTHS)}
    for task in sorted(first.keys() & second.keys()):
        for truth in {"", task[1]} & found.keys():
            found[truth][task[0]].append(sign * (first[task] - second[task]))
    return {truth: np.array([np.mean(x) for x in of.values()], dtype=np.float64) for truth, of in found.items()}


def _joint(parts: list[Comparison]) -> float:
    if min(part.n for part in parts) < MINIMUM:
        return math.nan
    return max(part.p for part in parts) if len({np.sign(part.mean) for part in parts}) == 1 else 1.0


def _corrected(found: list[Contrast]) -> list[Contrast]:
    """Those that share any task, with p by Holm."""
    found = [contrast for contrast in found if any(part.n for part in contrast.parts.values())]
    p = holm(np.array([contrast.p for contrast in found], dtype=np.float64))
    family = int(np.isfinite(p).sum())
    return [replace(contrast, p=float(value), family=family) for contrast, value in zip(found, p, strict=True)]


def _tasks(run: Run, rows: Iterable[Row], measure: str, reached: bool = False) -> dict[Task, float]:
    """The mean over seeds for each task, of all rows or of those that reached the wanted change."""
    kept = (row for row in rows if not reached or row.get("reached") is not False)
    return _means(kept, measure, lambda row: _task(run, row))


def _task(run: Run, row: Row) -> Task:
    """What an arm was asked; wanted changes are those of the truth, equal for all arms but for rounding."""
    asked = (row.get(name) or "" for name in ("subject", "truth", "source", "direction"))
    return *asked, arm_of(run, row).group, f"{row.get('wanted') or 0:.1f}"


def _means(rows: Iterable[Row], measure: str, key: Callable[[Row], Task]) -> dict[Task, float]:
    found = defaultdict(list)
    for row in rows:
        value = row.get(measure)
        if value is not None and math.isfinite(value):
            down = measure in SIGNED and (row.get("wanted") or 0) < 0
            found[key(row)].append(-float(value) if down else float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}
