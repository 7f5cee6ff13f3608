"""The tables of a report: contrasts, medians, groups, seconds and sanity checks."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean, median, stdev

from zplus.benchmark import contrasts as compared
from zplus.benchmark.arms import SETTINGS, Arm, Task, by_arm, field, setting_of, subject_means, truth_words
from zplus.benchmark.contrasts import Contrast
from zplus.benchmark.findings import checks, p_written, places, written
from zplus.benchmark.page import Block, Table, Words
from zplus.benchmark.rows import MEASURES, Row, Run
from zplus.benchmark.statistics import MINIMUM

GROUPED = (("reconstruction", "lpips_vgg"), ("edit", "error_lpips"), ("edit", "identity_distance"))
CONTRAST = (
    "contrast",
    "measure",
    "on",
    "truth",
    "tasks",
    "subjects",
    "gain",
    "from",
    "to",
    "±",
    "dz",
    "better",
    "p",
    "verdict",
)


def contrast_table(title: str, found: Sequence[Contrast]) -> Table:
    """All figures of some contrasts."""
    return Table(title, CONTRAST, [row for contrast in found for row in _contrast_rows(contrast)])


def _contrast_rows(contrast: Contrast) -> Iterator[list[str]]:
    """A row for each part."""
    names = f"{Arm(contrast.group, contrast.a)} : {contrast.b}"
    measure, on = f"{MEASURES[contrast.measure]} ({contrast.table})", SETTINGS[contrast.setting]
    p = p_written(contrast.p).removeprefix("p = ").removeprefix("p ")
    for (truth, reached), part in contrast.parts.items():
        n = places(part.high - part.low)
        figures = [written(x, n) for x in (part.mean, part.low, part.high, (part.high - part.low) / 2)]
        more = [written(part.dz, 2), _share(part.better), p, contrast.verdict]
        tasks = "reached" if reached else "all"
        yield [names, measure, on, truth.upper() or "-", tasks, str(part.n), *figures, *more]


def parts(run: Run, main: Contrast, resamples: int) -> Iterator[Table]:
    """The primary contrast by source and by the groups that rows carry."""
    for key in _keys(run):
        found = compared.within(run, main, key, resamples)
        rows = [[f"{key}: {value}", *row[1:]] for value, part in found.items() for row in _contrast_rows(part)]
        if len(found) > 1:
            yield Table(f"By {key}, exploratory: p is not corrected", CONTRAST, rows)


def _keys(run: Run) -> list[str]:
    return ["source", *dict.fromkeys(key for row in run.rows for key in row.get("groups") or {})]


def median_tables(run: Run) -> Iterator[Table]:
    """A table for each setting and truth."""
    for table, what in (("reconstruction", "Reconstructions of "), ("edit", "Edits of ")):
        sorts: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in run.table(table):
            sorts[SETTINGS[setting_of(row)], truth_words(row)].append(row)
        for names, rows in sorts.items():
            yield _median_table(what + ", ".join(filter(None, names)), by_arm(run, rows), rows)


def _median_table(title: str, arms: dict[Arm, list[Row]], rows: Sequence[Row]) -> Table:
    columns = {"subjects": [str(len({row.get("subject") for row in of})) for of in arms.values()]}
    for name, label in MEASURES.items():
        if name not in ("kernel", "reached") and any(row.get(name) is not None for row in rows):
            columns[label] = _column([subject_means(of, name) for of in arms.values()])
    if any(row.get("reached") is not None for row in rows):
        columns["reached"] = [_share(fmean(row.get("reached") is not False for row in of)) for of in arms.values()]
    return _by_arms(title, list(arms), columns)


def kernel_tables(run: Run) -> Iterator[Table]:
    """The kernel distance of reconstructions and of edits along each direction: its mean and 1.96 standard errors."""
    rows = [row for row in run.rows if row.get("kernel") is not None]
    arms, columns = by_arm(run, rows), {}
    for what in dict.fromkeys(row.get("direction") or "" for row in rows):
        some = [[row["kernel"] for row in of if (row.get("direction") or "") == what] for of in arms.values()]
        columns[what or "reconstruction"] = [_mean(x) for x in some]
    if columns:
        yield _by_arms("of how many pictures in brackets", list(arms), columns)


def _mean(values: Sequence[float]) -> str:
    if len(values) < MINIMUM:
        return "-"
    error = 1.96 * stdev(values) / len(values) ** 0.5
    n = places(error)
    return f"{written(fmean(values), n)} ± {written(error, n)} ({len(values)})"


def group_tables(run: Run) -> Iterator[Table]:
    """Medians by source and by the groups that rows carry."""
    for table, measure in GROUPED:
        rows = [row for row in run.table(table) if row.get(measure) is not None]
        arms, columns = by_arm(run, rows), {}
        for key in _keys(run):
            for value in sorted({field(row, key) for row in rows} - {""}):
                some = [[row for row in of if field(row, key) == value] for of in arms.values()]
                columns[f"{key}: {value}"] = _column([subject_means(of, measure) for of in some], counted=True)
        if len(columns) > 1:
            yield _by_arms(f"{MEASURES[measure]} ({table})", list(arms), columns)


def _by_arms(title: str, arms: Sequence[Arm], columns: dict[str, list[str]]) -> Table:
    """Columns with a line for each arm, below the name of its group."""
    lines: list[list[str]] = []
    for i, arm in enumerate(arms):
        lines += [[arm.group]] if not i or arm.group != arms[i - 1].group else []
        lines.append([arm.name, *(column[i] for column in columns.values())])
    return Table(title, ("", *columns), lines)


def _column(cells: Sequence[dict[Task, float]], counted: bool = False) -> list[str]:
    """The median of each cell, all with as many decimals; after it, if wanted, of how many."""
    medians = [median(cell.values()) if cell else math.nan for cell in cells]
    n = min(places(max((abs(value) for value in medians if math.isfinite(value)), default=0), 3), 4)
    counts = [f" ({len(cell)})" if counted and cell else "" for cell in cells]
    return [written(value, n) + count for value, count in zip(medians, counts, strict=True)]


def _share(value: float) -> str:
    return f"{value:.0%}" if math.isfinite(value) else "-"


def speed_tables(run: Run) -> Iterator[Table]:
    """How long each part took, over its repeats."""
    times: dict[str, list[float]] = defaultdict(list)
    for row in run.table("speed"):
        if row.get("seconds") is not None:
            times[row.get("what") or ""].append(row["seconds"])
    if times:
        shown = {what: [written(f(x), places(max(x), 3)) for f in (median, min, max)] for what, x in times.items()}
        rows = [[what, str(len(x)), *shown[what]] for what, x in times.items()]
        yield Table("", ("what", "times", "median", "least", "most"), rows)


def sanity_table(run: Run) -> Block:
    """Each check by its worst value."""
    rows = []
    for check, found in checks(run).items():
        worst = max(found, key=lambda row: (not row.get("passed"), row.get("value") or 0))
        figures = ["-" if worst.get(name) is None else f"{worst[name]:.3g}" for name in ("value", "limit")]
        passed = sum(bool(row.get("passed")) for row in found)
        rows.append([*check, *figures, f"{'passed' if passed == len(found) else 'FAILED'} ({passed} of {len(found)})"])
    header = ("check", "of", "worst value", "limit", "")
    return Table("", header, rows) if rows else Words("", ["The run holds no sanity checks."])
