"""Two plots of a run as SVG text: distortion against editability, and what an edit costs as it grows.

Their ink is `currentColor`, so that a page shows them light or dark; text stays text.
"""

import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from zplus.benchmark.contrasts import SETTINGS, aside, by_arm, kind, setting_of, subject_means
from zplus.benchmark.rows import Row, Run
from zplus.errors import MissingExtraError

SIZE = 4.8, 3.8  # inches: small, so that letters keep their size on a phone
INK = "#010203"  # stands for currentColor
COLOURS = ("#d1495b", "#1f83b4", "#8a6bd1", "#d08a1d", "#2f9e6e", "#7a7a72", "#b0579c", "#5f7f1f")
BASES = ("z", "z+", "w", "w+", "s")  # spaces keep their colour in all plots
STYLE = {
    "font.size": 10, "svg.fonttype": "none", "text.parse_math": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.15, "grid.color": INK,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}  # fmt: skip

Line = list[tuple[float, float]]


def pareto(run: Run) -> list[str]:
    """A plot for each setting: the arms' medians of LPIPS-VGG (reconstruction) and of LPIPS to the truth (edit)."""
    found = []
    for setting, title in SETTINGS.items():
        x = _medians(run, "reconstruction", "lpips_vgg", setting)
        y = _medians(run, "edit", "error_lpips", setting)
        if points := {name: [(x[name], y[name])] for name in x if name in y}:
            found.append(_plot(points, "reconstruction: LPIPS-VGG", "edit: LPIPS to truth", title))
    return found


def curves(run: Run) -> list[str]:
    """A plot for each direction: medians of identity distance against the change reached, or strength if not scored."""
    rows, found = run.table("strength"), []
    along = "change" if any(row.get("change") is not None for row in rows) else "strength"
    for direction in dict.fromkeys(row.get("direction") for row in rows):
        of = by_arm(run, (row for row in rows if row.get("direction") == direction))
        if lines := {str(arm): line for arm, its in of.items() if (line := _line(its, along))}:
            found.append(_plot(lines, f"{along} of the attribute", "identity distance", direction or ""))
    return found


def _line(rows: Sequence[Row], along: str) -> Line:
    points = []
    for strength in sorted({row["strength"] for row in rows if row.get("strength") is not None}):
        at = [row for row in rows if row.get("strength") == strength]
        x, y = (list(subject_means(at, name).values()) for name in (along, "identity_distance"))
        if x and y:
            points.append((median(x), median(y)))
    return points


def _medians(run: Run, table: str, measure: str, setting: str) -> dict[str, float]:
    rows = (row for row in run.table(table) if setting_of(row) == setting and not aside(run, row))
    found = {str(arm): subject_means(of, measure) for arm, of in by_arm(run, rows).items()}
    return {name: median(means.values()) for name, means in found.items() if means}


def _plot(series: Mapping[str, Line], x: str, y: str, title: str) -> str:
    matplotlib, figure_of = _matplotlib()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"{x} {title}"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks: the page has its own
        figure = figure_of(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot(xlabel=x, ylabel=y)
        axes.set_title(title, fontsize=10, loc="left")
        for (name, points), style in zip(series.items(), _styles(series), strict=True):
            axes.plot(*zip(*points, strict=True), label=name, **style | ({"linestyle": ""} if len(points) == 1 else {}))
        figure.legend(loc="outside lower center", ncols=4, frameon=False, handlelength=1.5, columnspacing=1.2)
        return _svg(figure)


def _styles(names: Iterable[str]) -> list[dict[str, Any]]:
    """A colour for each space; with F a filled mark and a solid line, without a hollow mark and a broken line."""
    bases = list(dict.fromkeys([*BASES, *(name.removeprefix("f/") for name in names)]))
    styles = []
    for name in names:
        colour, filled = COLOURS[bases.index(name.removeprefix("f/")) % len(COLOURS)], kind(name) == "with F"
        look = {"linestyle": "-", "marker": "o"} if filled else {"linestyle": "--", "marker": "s"}
        styles.append({"color": colour, "markerfacecolor": colour if filled else "none", "markersize": 6, **look})
    return styles


def _svg(figure: Any) -> str:
    content = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(content, format="svg", transparent=True, metadata=nothing)
    text = content.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def _matplotlib() -> tuple[Any, Any]:
    try:
        import matplotlib  # noqa: PLC0415  (an extra)
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("matplotlib", "bench") from error
    return matplotlib, Figure
