"""Entangled pairs: what a direction does to another attribute, as it comes and with that attribute projected out.

    python benchmarks/conditional.py FOLDER --work WORK [--space f/z+] [--feature moved] [--photos 16]

Of the portraits that `portraits.py` inverted. Both are compared at the strength, found by interpolation, at which the
target's own score has moved by one standard deviation over the prior, away from the photo's present state. Rows are
shared with `steering.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from machine import save_result
from steering import ONE_EACH, Bench, arguments
from zplus.direction import Direction
from zplus.editing import Editor
from zplus.editing.boundary import project_out

PAIRS = (("smile", "mouth_open"), ("age", "gender"), ("gender", "age"), ("mouth_open", "smile"))
KINDS = ("plain", "conditional")
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 3.0)


def without(direction: Direction, other: Direction) -> Direction:
    """The conditional direction (InterFaceGAN, section 3.3)."""
    vector = project_out(direction.vector, [other.vector])
    return replace(direction, name=f"{direction.name} without {other.name}", vector=vector)


def at_one_deviation(
    bench: Bench, name: str, editor: Editor, feature: str | None, by: Direction
) -> dict[str, float] | None:
    """The strength that moves the target by one deviation, and by how many the others change; None out of reach."""
    before, target = bench.measure(name, editor), by.card["attribute"]
    away = -1 if before["scores"][target] > bench.prior[target]["mean"] else 1
    last, changes = 0.0, dict.fromkeys(ONE_EACH, 0.0)
    for strength in STRENGTHS:
        row = bench.measure(name, editor, feature, by, away * strength)
        moved = {score: bench.moved(row, before, score) for score in ONE_EACH}
        start, end = away * changes[target], away * moved[target]
        if end >= 1:
            share = (1 - start) / (end - start)
            found = {score: changes[score] + share * (moved[score] - changes[score]) for score in ONE_EACH}
            found["strength"] = away * (last + share * (strength - last))
            return {key: round(x, 4) for key, x in found.items()}
        if not np.isfinite(end):  # no face, or refused
            return None
        last, changes = strength, moved
    return None


def compared(bench: Bench, space: str, feature: str | None, by: Direction, other: Direction) -> dict:
    rows = []
    for name, editor in bench.editors(space):
        plain, conditional = (at_one_deviation(bench, name, editor, feature, one) for one in (by, without(by, other)))
        rows.append({"name": name, "plain": plain, "conditional": conditional})
        print(by.name, "without", other.name, rows[-1], flush=True)
    both = [row for row in rows if row["plain"] and row["conditional"]]
    target, out = by.card["attribute"], other.card["attribute"]
    rest = [score for score in ONE_EACH if score != target]
    reached = {kind: sum(row[kind] is not None for row in rows) for kind in KINDS}
    counts = {"photos": len(rows), "reached": reached, "compared": len(both)}
    if not both:
        return counts | {"portraits": rows}

    def medians(scores: Sequence[str]) -> dict[str, float]:
        """The median over photos of the mean change of some scores, by both directions, and the ratio."""
        found = {
            kind: median(float(np.mean([abs(row[kind][score]) for score in scores])) for row in both) for kind in KINDS
        }
        return {key: round(x, 3) for key, x in (found | {"ratio": found["conditional"] / found["plain"]}).items()}

    return counts | {
        "projected_out": medians([out]),
        "less_of_it": sum(abs(row["conditional"][out]) < abs(row["plain"][out]) for row in both),
        "all_others": medians(rest),
        "strength": medians(["strength"]),
        "portraits": rows,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--space", default="f/z+")
    parser.add_argument("--feature", default="moved")
    given = parser.parse_args()
    bench = Bench(given)
    directions, feature = bench.directions(), given.feature if given.space.startswith("f/") else None
    pairs = {}
    for name, other in PAIRS:
        pairs[f"{name} without {other}"] = compared(bench, given.space, feature, directions[name], directions[other])
        save_result("conditional", {"space": given.space, "feature": feature, "pairs": pairs})
    for pair, found in pairs.items():
        print(pair, {key: x for key, x in found.items() if key != "portraits"})


if __name__ == "__main__":
    main()
