"""Sentences about a run, each derived from its intervals and p values; none is written in advance."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zplus.benchmark.arms import KINDS, TRUTHS, Arm
from zplus.benchmark.contrasts import CONTRASTED, HIGHER, NO_EDIT, Contrast, Part
from zplus.benchmark.rows import MEASURES, Row, Run
from zplus.benchmark.statistics import MINIMUM, Comparison

BETTER = {
    ("reconstruction", "lpips_vgg"): "the reconstruction is closer to its image",
    ("reconstruction", "identity_distance"): "the reconstruction keeps the person better",
    ("reconstruction", "kernel"): "reconstructions as a set are closer to the originals",
    ("edit", "error_lpips"): "the edited image is closer to the truth",
    ("edit", "error_alex"): "by LPIPS-Alex the edited image is closer to the truth",
    ("edit", "error_ssim"): "by SSIM the edited image is closer to the truth",
    ("edit", "reached"): "more of the wanted changes are reached",
    ("edit", "judge_change"): "the held-out scorer measures more of the wanted change",
    ("edit", "identity_distance"): "the edit keeps the person better",
    ("edit", "kernel"): "edits as a set are closer to the originals",
    ("edit", "off_target"): "the edit changes less of what was not asked for",
}
WHERE = {"oracle": "", "drawn": " on drawn pairs", "photo": " on photos"}


class Finding(NamedTuple):
    """A sentence and what it is: "primary", "significant", "not significant", "caution" or "missing"."""

    kind: str
    text: str


def findings(run: Run, main: Sequence[Contrast], rest: Sequence[Contrast]) -> list[Finding]:
    """All that can be said of a run: the primary contrasts, the others, what to be careful of, what is missing."""
    said = [Finding("primary", sentence(contrast)) for contrast in main]
    said = said or [Finding("primary", "The run was not planned with a primary contrast.")]
    for contrast in rest:
        significant = contrast.verdict in (contrast.a, contrast.b)
        said.append(Finding("significant" if significant else "not significant", sentence(contrast)))
    said += [Finding("caution", text) for text in _cautions(run, main)]
    return said + [Finding("missing", text) for text in _missing(run)]


def checks(run: Run) -> dict[tuple[str, str], list[Row]]:
    """The rows of the sanity table by check and by what was checked."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in run.table("sanity"):
        names = row.get("space"), row.get("variant") if row.get("variant") != "default" else None
        found[row.get("check") or "", " ".join(filter(None, names)) or "all"].append(row)
    return found


def sentence(contrast: Contrast) -> str:
    """What a contrast says, with the figures from which it follows."""
    a, b = contrast.a, contrast.b
    better = BETTER.get((contrast.table, contrast.measure), f"{_label(contrast)} is better") + WHERE[contrast.setting]
    if b == NO_EDIT:
        better = better.replace("edited ", "")
    if contrast.verdict not in (a, b):
        lead = "Not computed" if contrast.verdict == "too few" else "Not significant"
        reasons = _too_few(contrast) if contrast.verdict == "too few" else _not_significant(contrast)
        return f"{lead}: whether {better} {_in(contrast, a)} or {_in(contrast, b)} ({reasons})."
    winner, loser = (a, b) if contrast.verdict == a else (b, a)
    text = f"{_in(contrast, winner)} {better} than {_in(contrast, loser)} ({_figures(contrast, winner == b)})."
    return text[0].upper() + text[1:]


def places(size: float, digits: int = 2) -> int:
    """Decimals with which a number of this size shows so many digits, 5 at most.

    >>> places(0.016), places(12.0)
    (3, 0)
    """
    return min(max(digits - 1 - math.floor(math.log10(abs(size))), 0), 5) if size and math.isfinite(size) else digits


def written(value: float, decimals: int) -> str:
    """A number as it is printed here: without a zero before the point, "-" if there is none.

    >>> written(-0.0123, 3), written(0.0, 2), written(math.nan, 1)
    ('-.012', '.00', '-')
    """
    if not math.isfinite(value):
        return "-"
    text = f"{abs(value):.{decimals}f}"
    sign = "-" if value < 0 and float(text) else ""
    return sign + (text.removeprefix("0") if "." in text else text)


def p_written(p: float) -> str:
    """A p value to three decimals, with its sign of equality."""
    return "p < .001" if p < 0.001 else f"p = {written(p, 3)}"


def _figures(contrast: Contrast, flipped: bool) -> str:
    way = "higher" if contrast.measure in HIGHER else "lower"
    texts = []
    said = "95 % interval" if contrast.family == 1 else "corrected interval"
    for name, part in contrast.parts.items():
        mean, low, high = (-part.mean, -part.high, -part.low) if flipped else (part.mean, part.low, part.high)
        n = places(high - low)
        span = f"{said} {written(low, n)} to {written(high, n)}"
        texts.append(f"{_under(name)}{_label(contrast)} {way} by {written(mean, n)}, {span}, {part.n} subjects")
    return "; ".join(texts)


def _not_significant(contrast: Contrast) -> str:
    parts = contrast.parts.items()
    text = "; ".join(f"{_under(name)}the interval {_span(part)}, {part.n} subjects" for name, part in parts)
    if all(part.low > 0 or part.high < 0 for _, part in parts):
        alike = len({part.mean > 0 for _, part in parts}) == 1
        corrected = f" after correction for {contrast.family} contrasts" if contrast.family > 1 else ""
        text += f", but {p_written(contrast.p)}{corrected}" if alike else ", but these disagree in sign"
    return text


def _span(part: Comparison) -> str:
    n = places(part.high - part.low)
    zero = "includes 0" if part.low <= 0 <= part.high else "excludes 0"
    return f"{written(part.low, n)} to {written(part.high, n)} {zero}"


def _too_few(contrast: Contrast) -> str:
    if not any(part.n for part in contrast.parts.values()):
        return f"too few subjects: none has {MEASURES[contrast.measure]} in both, at least {MINIMUM} are needed"
    short = [(name, part.n) for name, part in contrast.parts.items() if part.n < MINIMUM]
    return "; ".join(f"{_under(name)}too few subjects: {n}, at least {MINIMUM} are needed" for name, n in short)


def _under(part: Part) -> str:
    names = TRUTHS[part.truth].words if part.truth else None, "what both reached" if part.reached else None
    return f"{', '.join(filter(None, names))}: " if any(names) else ""


def _label(contrast: Contrast) -> str:
    return MEASURES[contrast.measure].removesuffix(" to truth")


def _in(contrast: Contrast, name: str) -> str:
    if name == NO_EDIT:
        return "without any edit"
    return f"{'in' if contrast.group in KINDS else 'with'} {Arm(contrast.group, name)}"


def _cautions(run: Run, main: Sequence[Contrast]) -> Iterator[str]:
    if not run.facts["finished"]:
        yield "The run was not finished: all figures are those of the rows that there are."
    if run.cut:
        yield "The last line of rows.jsonl is cut off and was ignored."
    for contrast in main:
        if contrast.unreached:
            there = f"{contrast.unreached} of {contrast.tasks} tasks of the primary contrast{WHERE[contrast.setting]}"
            how = "they count at the nearest strength, and are left out of what both reached"
            yield f"In {there} an arm did not reach the wanted change: {how}."
        if contrast.lost:
            told = f"{contrast.lost} tasks more of the primary contrast{WHERE[contrast.setting]}"
            yield f"In {told} one arm alone was measured: the other lost the face, or its trial is missing."
    for check, rows in checks(run).items():
        failed = [row for row in rows if not row.get("passed")]
        if failed:
            figures = f"{failed[0].get('value')} against a limit of {failed[0].get('limit')}"
            yield f"A sanity check failed {len(failed)} of {len(rows)} times: {', '.join(check)}: {figures}."
    if not run.table("sanity"):
        yield "The run holds no sanity checks."


def _missing(run: Run) -> Iterator[str]:
    yield from (str(text) for text in run.facts["skipped"])
    for table, measures in CONTRASTED.items():
        rows = run.table(table)
        gone = [MEASURES[name] for name in measures if all(row.get(name) is None for row in rows)]
        if rows and gone:
            why = "see what the run left out" if run.facts["skipped"] else "the run does not say why"
            yield f"Not measured in {table}: {', '.join(gone)} ({why})."
