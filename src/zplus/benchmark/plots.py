"""Two plots of a run as SVG text: distortion against editability, and what an edit costs as it grows.

Their ink is `currentColor`, so that a page shows them light or dark; text stays text.
"""

import io
import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any

from zplus.benchmark.arms import KINDS, SETTINGS, Arm, by_arm, kind, setting_of, subject_means
from zplus.benchmark.rows import Row, Run
from zplus.errors import MissingExtraError
from zplus.spaces.registry import CODES

SIZE = 4.8, 3.8  # inches: small, so that letters keep their size on a phone
INK = "#010203"  # stands for currentColor
COLOURS = ("#d1495b", "#1f83b4", "#8a6bd1", "#d08a1d", "#2f9e6e", "#7a7a72", "#b0579c", "#5f7f1f")
BASES = tuple(CODES)  # spaces keep their colour in all plots
STYLE = {
    "font.size": 10, "svg.fonttype": "none", "text.parse_math": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.15, "grid.color": INK,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}  # fmt: skip

Line = list[tuple[float, float]]


def pareto(run: Run) -> list[str]:
    """Plots for each setting: the arms' medians of LPIPS-VGG (reconstruction) and of LPIPS to the truth (edit)."""
    found = []
    for setting, title in SETTINGS.items():
        x = _medians(run, "reconstruction", "lpips_vgg", setting)
        y = _medians(run, "edit", "error_lpips", setting)
        points = {arm: [(x[arm], y[arm])] for arm in x if arm in y}
        found += _plots(points, "reconstruction: LPIPS-VGG", "edit: LPIPS to truth", title)
    return found


def curves(run: Run) -> list[str]:
    """Plots for each direction: medians of identity distance against the change reached, or strength if not scored."""
    rows, found = run.table("strength"), []
    along = "change" if any(row.get("change") is not None for row in rows) else "strength"
    for direction in dict.fromkeys(row.get("direction") for row in rows):
        of = by_arm(run, (row for row in rows if row.get("direction") == direction))
        lines = {arm: line for arm, its in of.items() if (line := _line(its, along))}
        found += _plots(lines, f"{along} of the attribute", "identity distance", direction or "")
    return found


def _line(rows: Sequence[Row], along: str) -> Line:
    points = []
    for strength in sorted({row["strength"] for row in rows if row.get("strength") is not None}):
        at = [row for row in rows if row.get("strength") == strength]
        x, y = (list(subject_means(at, name).values()) for name in (along, "identity_distance"))
        if x and y:
            points.append((median(x), median(y)))
    return points


def _medians(run: Run, table: str, measure: str, setting: str) -> dict[Arm, float]:
    rows = (row for row in run.table(table) if setting_of(row) == setting)
    found = {arm: subject_means(of, measure) for arm, of in by_arm(run, rows).items()}
    return {arm: median(means.values()) for arm, means in found.items() if means}


def _plots(series: Mapping[Arm, Line], x: str, y: str, title: str) -> list[str]:
    """All spaces in one plot; where methods or settings are compared, one for each space."""
    parts: dict[str, dict[Arm, Line]] = defaultdict(dict)
    for arm, line in series.items():
        parts["" if arm.group in KINDS else arm.group][arm] = line
    return [_plot(part, x, y, ", ".join(filter(None, (title, space)))) for space, part in parts.items()]


def _plot(series: Mapping[Arm, Line], x: str, y: str, title: str) -> str:
    matplotlib, figure_of = _matplotlib()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"{x} {title}"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks: the page has its own
        figure = figure_of(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot(xlabel=x, ylabel=y)
        axes.set_title(title, fontsize=10, loc="left")
        for (arm, points), style in zip(series.items(), _styles(series), strict=True):
            look = style | ({"linestyle": ""} if len(points) == 1 else {})
            axes.plot(*zip(*points, strict=True), label=arm.name, **look)
        figure.legend(loc="outside lower center", ncols=4, frameon=False, handlelength=1.5, columnspacing=1.2)
        return _svg(figure)


def _styles(arms: Collection[Arm]) -> list[dict[str, Any]]:
    """A colour for each name; with F a filled mark and a solid line, without a hollow mark and a broken line.

    Where there are more names than colours, these come again with other marks.
    """
    known = BASES if all(arm.group in KINDS for arm in arms) else ()
    bases = list(dict.fromkeys([*known, *(arm.name.removeprefix("f/") for arm in arms)]))
    styles = []
    for arm in arms:
        again, number = divmod(bases.index(arm.name.removeprefix("f/")), len(COLOURS))
        colour, filled = COLOURS[number], "with F" in (arm.group, kind(arm.group))
        look = {"linestyle": "-" if filled else "--", "marker": ("oD^" if filled else "sv<")[again % 3]}
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
