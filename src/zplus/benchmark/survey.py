"""A blinded forced choice between two spaces: a page for people, a key kept apart, and the count with its interval.

The page holds pictures and numbered questions, no names; which side a space is on is in the key alone. Answers stay in
the page until they are saved as a file.
"""

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scipy import stats

from zplus.benchmark.report import made, pictures
from zplus.benchmark.rows import Row, Run, picture_path, read_run
from zplus.errors import ZplusError
from zplus.files import atomic, unlinked
from zplus.pages import file_url, rendered
from zplus.wording import described

VERSION = 1
SIDES = ("left", "right")
SIDE = 512  # pixels of a picture


class Count(NamedTuple):
    """Of n questions with a majority, those that prefer a; 95 % interval of the share (Clopper-Pearson) and p."""

    a: str
    b: str
    preferred: int
    n: int
    tied: int
    low: float
    high: float
    p: float


def write_survey(
    folder: str | Path, a: str, b: str, key: str | Path, seed: int = 0, most: int = 40, public: bool = False
) -> Path:
    """Write survey.html, with at most so many pairs of edits in spaces a and b, into a run folder; its key apart.

    `public` leaves out all pictures of real photos.
    """
    run, order = read_run(folder), random.Random(seed)
    rows = pictures(run, public)
    pairs = _pairs(rows, a, b)
    if not pairs:
        raise ZplusError(f"{folder} holds no edits of the same picture in both {a} and {b}: name other spaces.")
    order.shuffle(pairs)
    del pairs[most:]
    flips = [i % 2 == 1 for i in range(len(pairs))]  # each space is as often on the left, but for one
    order.shuffle(flips)
    names = [f"q{i:03}" for i in range(1, len(pairs) + 1)]
    shown = {name: pair[::-1] if flip else pair for name, pair, flip in zip(names, pairs, flips, strict=True)}
    sides = {name: [row["space"] for row in pair] for name, pair in shown.items()}
    survey = hashlib.sha256(json.dumps([sides, run.facts, seed]).encode()).hexdigest()[:12]
    page, held = unlinked(run.folder / "survey.html"), {"survey": survey, "a": a, "b": b, "seed": seed, "sides": sides}
    for path, text in (
        (page, _page(run, rows, survey, shown)),
        (Path(key), json.dumps({"zplus_survey_key": VERSION} | held)),
    ):
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return page


def key_of(folder: Path) -> Path:
    """Where the key of a run's survey belongs: beside the folder, which is what one gives away."""
    return folder.resolve().with_name(f"{folder.resolve().name}.survey.key.json")


def count_survey(answers: Sequence[str | Path], key: str | Path) -> Count:
    """Count answers of one or more people: the majority decides a question, and ties are excluded."""
    known = _read(key, "zplus_survey_key", "sides")
    sides = known["sides"].values()
    if not all(isinstance(known.get(name), str) for name in ("survey", "a", "b")) or not all(
        x in ([known["a"], known["b"]], [known["b"], known["a"]]) for x in sides
    ):
        raise ZplusError(f"{key} is damaged: give the key that was written with the survey.")
    votes: Counter[str] = Counter()
    for path in answers:
        given = _read(path, "zplus_survey", "answers")
        if given.get("survey") != known["survey"]:
            raise ZplusError(f"{path} answers another survey than {key} belongs to: give the key of this one.")
        for question, side in given["answers"].items():
            if question not in known["sides"] or side not in SIDES:
                raise ZplusError(f"{path} is damaged (question {question[:20]!r}): ask for the file again.")
            votes[question] += 1 if known["sides"][question][SIDES.index(side)] == known["a"] else -1
    preferred, n = sum(vote > 0 for vote in votes.values()), sum(vote != 0 for vote in votes.values())
    low, high, p = 0.0, 1.0, 1.0
    if n:
        found = stats.binomtest(preferred, n)
        low, high, p = map(float, (found.proportion_ci().low, found.proportion_ci().high, found.pvalue))
    return Count(known["a"], known["b"], preferred, n, len(votes) - n, low, high, p)


def sentence(count: Count) -> str:
    """What the counts say."""
    if not count.n:
        return "No question has a majority."
    span = f"95 % interval {count.low:.0%} to {count.high:.0%}"
    figures = f"{count.a} in {count.preferred} of {count.n} pairs, {span}, p = {count.p:.3f}"
    if count.low <= 0.5 <= count.high:
        return f"No significant preference between {count.a} and {count.b}: {figures}."
    winner, loser = (count.a, count.b) if count.low > 0.5 else (count.b, count.a)
    return f"People prefer {winner} to {loser} ({figures})."


def _pairs(rows: Sequence[Row], a: str, b: str) -> list[tuple[Row, Row]]:
    """Edits that differ in nothing but the space, one pair for each subject and direction: that of the first truth."""
    found: dict[tuple[str, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row.get("what") == "edit" and row.get("space") in (a, b):
            asked = tuple(row.get(name) or "" for name in ("subject", "direction", "truth", "variant"))
            found[asked][row["space"]] = row
    pairs: dict[tuple[str, ...], tuple[Row, Row]] = {}
    for asked, of in found.items():
        if len(of) == 2:
            pairs.setdefault(asked[:2], (of[a], of[b]))
    return list(pairs.values())


def _page(run: Run, rows: Sequence[Row], survey: str, pairs: dict[str, tuple[Row, Row]]) -> str:
    sources = {row.get("subject"): row for row in rows if row.get("what") == "source"}
    questions = [
        {
            "name": name,
            "asked": _asked(*pair),
            "source": source and _url(run, source),
            "choices": {side: _url(run, row) for side, row in zip(SIDES, pair, strict=True)},
        }
        for name, pair in pairs.items()
        for source in [sources.get(pair[0]["subject"])]
    ]
    return rendered("survey.html", survey=survey, questions=questions)


def _asked(left: Row, right: Row) -> str:
    """The edit in words."""
    name, strength = left.get("direction") or "an edit", left.get("strength") or right.get("strength") or 0
    return described(name, strength) if strength else name


def _url(run: Run, row: Row) -> str:
    return file_url(picture_path(run.folder, row["file"]), made(row), SIDE)


def _read(path: str | Path, mark: str, part: str) -> dict[str, Any]:
    """A file of answers or a key: an object that has its version as `mark` and an object as `part`."""
    try:
        found = json.loads(Path(path).read_bytes())
        version, right = found[mark], isinstance(found.get(part), dict)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ZplusError(f"{path} is no part of a survey ({error!r}): give the file that was saved.") from error
    if version != VERSION or not right:
        raise ZplusError(f"{path} is of version {str(version)[:20]} or damaged: this zplus reads version {VERSION}.")
    return found
