"""A run as one page (report.html) and as text (report.md), both in the run's folder."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

from zplus.benchmark import contrasts as compared
from zplus.benchmark.arms import ORDER, TRUTHS, truth_words
from zplus.benchmark.findings import findings
from zplus.benchmark.kernel_distance import with_kernel
from zplus.benchmark.page import Block, Picture, Plots, Sections, Sheet, Table, Words, to_html, to_markdown
from zplus.benchmark.plots import curves, pareto
from zplus.benchmark.rows import Row, Run, picture_path, read_run
from zplus.benchmark.statistics import RESAMPLES
from zplus.benchmark.tables import (
    contrast_table,
    group_tables,
    kernel_tables,
    median_tables,
    parts,
    sanity_table,
    speed_tables,
)
from zplus.errors import MissingExtraError
from zplus.files import atomic, unlinked

SHEETS = 8  # subjects whose pictures are shown
SAID = {  # kinds of findings: their title and how they look
    "primary": ("What was planned", "lead"),
    "caution": ("Cautions", "words"),
    "significant": ("Significant", "words"),
    "not significant": ("Not significant", "folded"),  # so many that they wait to be opened
}
FACTS = (
    "command",
    "started",
    "finished",
    "machine",
    "zplus",
    "versions",
    "model",
    "fingerprint",
    "settings",
    "plan",
    "skipped",
)
WHAT = ("source", "truth", "reconstruction", "edit")  # the order of pictures


def write_report(folder: str | Path, public: bool = False, resamples: int = RESAMPLES) -> tuple[Path, Path]:
    """Write report.html and report.md into a run folder; `public` leaves out all pictures of real photos."""
    run = with_kernel(read_run(folder))
    title, sections = f"zplus bench {run.facts['bench']} on {run.facts['model']}", _sections(run, public, resamples)
    html, markdown = (unlinked(run.folder / name) for name in ("report.html", "report.md"))
    for path, text in ((html, to_html(title, sections)), (markdown, to_markdown(title, sections, run.folder))):
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")
    return html, markdown


def pictures(run: Run, public: bool = False) -> list[Row]:
    """The rows of pictures; in public only those that say they are not real, of subjects of which no row is."""
    real = {row.get("subject") for row in run.rows if row.get("real")}
    rows = {row["file"]: row for row in run.table("picture")}.values()  # a run may name the same source for every space
    return [row for row in rows if not public or (row.get("real") is False and row.get("subject") not in real)]


def made(row: Row) -> bool:
    """Whether a model made the picture of a row."""
    return not (row.get("real") and row.get("what") == "source")


def _sections(run: Run, public: bool, resamples: int) -> Sections:
    main, rest = compared.primaries(run, resamples), compared.others(run)
    base, said = compared.baselines(run), findings(run, main, rest)
    words = [Words(title, [text for name, text in said if name == kind], look) for kind, (title, look) in SAID.items()]
    missing = [text for kind, text in said if kind == "missing"] or ["Nothing that was planned."]
    found: dict[str, list[Block]] = {
        "What was run": [Table("", ("", ""), list(_facts(run)))],
        "Findings": [block for block in words if block.items],
        "The primary contrast in figures": [
            block for one in main for block in (contrast_table("", [one]), *parts(run, one, resamples))
        ],
        "All other contrasts": [contrast_table("p and intervals are corrected by Holm for all of them", rest)]
        if rest
        else [],
        "Against no edit at all": [contrast_table("p and intervals are corrected by Holm for these", base)]
        if base
        else [],
        "Medians over subjects": list(median_tables(run)),
        "Kernel distance from the photos": list(kernel_tables(run)),
        "Medians by source and group, and of how many": list(group_tables(run)),
        "Distortion against editability": [_plots(run, pareto)],
        "Identity against the size of the edit": [_plots(run, curves)],
        "Seconds": list(speed_tables(run)),
        "Pictures": list(_sheets(run, public)),
        "Sanity panel": [sanity_table(run)],
        "What is missing": [Words("", missing)],
    }
    return {name: blocks for name, blocks in found.items() if blocks}


def _facts(run: Run) -> Iterator[list[str]]:
    facts = {name: run.facts[name] for name in FACTS} | {"time": f"{run.facts['seconds'] / 60:.1f} minutes"}
    facts["sittings"] = run.facts["sittings"][1:]  # the first is told as that of the run
    yield from ([name, text] for name, value in facts.items() if (text := _fact(value)))


def _fact(value: object) -> str:
    """What JSON holds, as a reader would write it."""
    if isinstance(value, dict):
        inner = ((key, f"({_fact(x)})" if isinstance(x, dict) else _fact(x)) for key, x in value.items())
        return ", ".join(f"{key} {text}" for key, text in inner)
    if isinstance(value, list):
        return "; ".join(map(_fact, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _plots(run: Run, draw: Callable[[Run], list[str]]) -> Plots:
    try:
        return Plots(draw(run), "The run has no rows for this plot.")
    except MissingExtraError as error:
        return Plots([], f"Not drawn: {error}")


def _sheets(run: Run, public: bool) -> Iterator[Block]:
    """For subjects of all sources in turn: their reconstructions, and a sheet for each direction."""
    sheets: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    sources: dict[str, dict[str, None]] = defaultdict(dict)
    for row in pictures(run, public):
        subject = row.get("subject") or ""
        sheets[subject][row.get("direction") or ""].append(row)
        sources[row.get("source") or ""][subject] = None
    turns = [subject for turn in zip_longest(*sources.values()) for subject in turn if subject is not None]
    for subject in turns[:SHEETS]:
        for direction, rows in sheets[subject].items():
            rows.sort(key=_rank)
            shown = [Picture(picture_path(run.folder, row["file"]), _caption(row), made(row)) for row in rows]
            yield Sheet(f"{subject}: {direction or 'reconstructions'}", shown)
    if len(turns) > SHEETS:
        yield Words("", [f"{len(turns) - SHEETS} more subjects have pictures in the run's folder."])


def _rank(row: Row) -> tuple[int, int, float]:
    what, space = row.get("what") or "", row.get("space") or ""
    first, second = (order.index(name) if name in order else 99 for order, name in ((WHAT, what), (ORDER, space)))
    return first, second, row.get("strength") or 0.0


def _caption(row: Row) -> str:
    if row.get("what") in ("source", "truth"):
        return truth_words(row) or str(row["what"])
    names = (row.get("space"), row.get("variant") if row.get("variant") != "default" else None)
    strength = None if row.get("strength") is None else f"{row['strength']:+.2g}"
    truth = f"for {row['truth'].upper()}" if row.get("truth") in TRUTHS else None
    return " ".join(filter(None, (*names, strength, truth)))
