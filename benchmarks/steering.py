"""How far each direction steers the portraits that `portraits.py` inverted, space by space, and what else it changes.

    python benchmarks/steering.py FOLDER --work WORK [--spaces w+ z+ f/w+ f/z+] [--directions smile age] [--plot]

Every portrait is edited along every direction to every strength, in f/ spaces with F moved and with F fixed. Changes
are told in standard deviations of a score over the prior: of the score that trained the direction, and of a judge that
did not, which pitch, gender and mouth_open lack. Rows are kept in WORK/steering.jsonl, so that a killed run goes on;
delete it when the code of editing has changed. From the same rows: how far a head turns to its other side while the
person is still found first. Prints a table in Markdown; --plot draws docs/images/steering.png (needs matplotlib).
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, product
from math import copysign, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from kept import Kept, Row
from machine import prior_scores, save_result
from portraits import gallery, portraits
from zplus.benchmark.scorers import HELD_OUT
from zplus.direction import Direction
from zplus.editing import Editor, directions_of
from zplus.errors import LatentError
from zplus.faces.detector import FaceDetector
from zplus.generators import load_generator
from zplus.generators.contract import fingerprint
from zplus.images import to_pixels
from zplus.latent import Latent, load_latent
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.face_input import largest_face
from zplus.perception.identity import Identity, distance, rank
from zplus.spaces import render

SCORES = [name for name in ATTRIBUTES if name != "eye_open"]  # which is mostly noise
ONE_EACH = ("smile_network", "age", "yaw", "pitch", "gender", "mouth_open")  # a score for each attribute
NO_FACE = dict.fromkeys(SCORES, nan)
JUDGES = {name: HELD_OUT[score] for name, score in {"smile": "smile_network", "age": "age", "yaw": "yaw"}.items()}
FIT = 6.0  # millimetres that a head's pose may leave: beyond, the landmarks are no face's
FAR = 15.0  # degrees of a turn that counts
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "steering.png"


class Bench:
    """What edits of the portraits are measured with, and every row measured so far."""

    def __init__(self, given: argparse.Namespace):
        self.work, self.generator, detector = given.work, load_generator("ffhq-mobile"), FaceDetector()
        self.scorers, self.identity, self.prior = Scorers(detector), Identity(detector), prior_scores()
        self.everyone, self.descriptors = gallery(given.folder, given.work)
        self.names = list(portraits(given.folder, given.work))[: given.photos]
        self.kept = Kept(given.work / "steering.jsonl", "name", "space", "feature", "direction", "strength", "of")

    def directions(self, chosen: Sequence[str] | None = None) -> dict[str, Direction]:
        """Those that come with the generator and have a score; the others are named."""
        found = {name: d for name, d in directions_of(self.generator).items() if chosen is None or name in chosen}
        for name in [name for name, d in found.items() if d.card.get("attribute") not in SCORES]:
            print(f"{name} has no score: skipped")
            del found[name]
        return found

    def editors(self, space: str) -> Iterator[tuple[str, Editor]]:
        """The portraits in a space, by name; none where they were not inverted into it."""
        paths = {name: self.work / space.replace("/", "-") / f"{name}.latent.safetensors" for name in self.names}
        missing = sum(not path.exists() for path in paths.values())
        if missing:
            print(f"{space}: no latents of {missing} of {len(paths)} portraits, which are skipped", flush=True)
        for name, path in paths.items():
            if path.exists():
                yield name, Editor(self.generator, load_latent(path))

    def measure(
        self, name: str, editor: Editor, feature: str | None = None, by: Direction | None = None, strength: float = 0.0
    ) -> Row:
        """The row of an edit, or of the reconstruction where there is no direction; measured at most once."""
        tensors = {"code": editor.latent.inverted.code} | ({} if by is None else {"vector": by.vector})
        known = {
            "name": name, "space": editor.latent.space, "feature": feature, "direction": by and by.name,
            "strength": strength, "of": fingerprint(tensors),
        }  # fmt: skip
        return self.kept.row(known, partial(self._measured, name, editor, feature, by, strength))

    def _measured(self, name: str, editor: Editor, feature: str | None, by: Direction | None, strength: float) -> Row:
        if by is None:
            return self._judged(name, editor.latent)
        try:
            edited = editor.edit({by: strength}, feature=feature, move="sphere")
        except LatentError as refused:
            found = {"refused": str(refused), "scores": NO_FACE, "residual": nan, "rank": None, "descriptor": [nan]}
        else:
            found = self._judged(name, edited)
        before = self.measure(name, editor)["descriptor"]
        return found | {"identity_distance": round(distance(np.array(found.pop("descriptor")), np.array(before)), 4)}

    def _judged(self, name: str, latent: Latent) -> Row:
        picture = to_pixels(render(self.generator, latent)[0])
        face, descriptor = largest_face(picture, self.scorers.detector), self.identity.embed(picture)
        return {
            "scores": {key: round(float(x), 5) for key, x in self.scorers.measure(picture, SCORES).items()},
            "residual": nan if face is None else round(face.pose.residual, 3),  # millimetres
            "rank": rank(descriptor, self.descriptors, self.everyone.index(name)),
            "descriptor": descriptor.round(5).tolist(),
        }

    def moved(self, row: Row, before: Row, score: str) -> float:
        """By how many standard deviations over the prior a score grew."""
        return (row["scores"][score] - before["scores"][score]) / self.prior[score]["std"]

    def off_target(self, row: Row, before: Row, target: str) -> float:
        """The mean change of the other attributes, in standard deviations."""
        return float(np.mean([abs(self.moved(row, before, score)) for score in ONE_EACH if score != target]))


def features_of(space: str) -> tuple[str | None, ...]:
    """What F can do in a space: nothing where there is none."""
    return ("moved", "fixed") if space.startswith("f/") else (None,)


def middle(values: Sequence[float]) -> float | None:
    """The median of those that are numbers."""
    known = [x for x in values if isfinite(x)]
    return round(float(np.median(known)), 3) if known else None


def summarised(bench: Bench, pairs: Sequence[tuple[Row, Row]], direction: Direction) -> Row:
    """What one strength of a direction does to all portraits, of which `pairs` holds the rows after and before."""
    target, judge = direction.card["attribute"], JUDGES.get(direction.name)

    def along(score: str) -> float | None:
        return middle([copysign(1, after["strength"]) * bench.moved(after, before, score) for after, before in pairs])

    return {
        "photos": len(pairs),
        "no_face": sum(not isfinite(after["scores"][target]) for after, _ in pairs),
        "moved_by_trainer": along(target),
        "moved_by_judge": along(judge) if judge else None,
        "found_first": round(sum(after["rank"] == 1 for after, _ in pairs) / len(pairs), 3),
        "off_target": middle([bench.off_target(after, before, target) for after, before in pairs]),
        "identity_distance": middle([after["identity_distance"] for after, _ in pairs]),
    }


def head_turns(pairs: Sequence[tuple[Row, Row]]) -> Row:
    """How far each head turned from its present side to the other one, found first and with a pose that fits."""
    best: dict[str, Row] = {}
    for after, before in pairs:
        side = -1 if before["scores"]["yaw"] > 0 else 1
        best.setdefault(after["name"], {"before": before["scores"]["yaw"], "turn": 0.0, "turn_by_judge": 0.0})
        turn, second = (side * (after["scores"][x] - before["scores"][x]) for x in ("yaw", JUDGES["yaw"]))
        fits = after["residual"] < FIT and after["rank"] == 1 and side * after["strength"] > 0
        if fits and turn > best[after["name"]]["turn"]:
            found = {"turn": round(turn, 2), "turn_by_judge": round(second, 2), "strength": after["strength"]}
            best[after["name"]] |= found
    turns = list(best.values())
    return {
        "photos": len(turns),
        "far_enough": sum(one["turn"] >= FAR for one in turns),
        "far_enough_by_judge": sum(one["turn_by_judge"] >= FAR for one in turns),
        "median": middle([one["turn"] for one in turns]),
        "portraits": best,
    }


def table(found: Sequence[Row], directions: Sequence[str]) -> str:
    """Markdown: a line for each space and size of strength, the medians of both signs averaged."""
    lines = [f"| space | strength | {' | '.join(directions)} |", "|" + "---|" * (2 + len(directions))]
    for kind, strength in dict.fromkeys((_kind(one), abs(one["strength"])) for one in found):
        cells = []
        for name in directions:
            both = [x for x in found if (_kind(x), abs(x["strength"]), x["direction"]) == (kind, strength, name)]
            far, first, off = (
                np.mean([nan if one[key] is None else one[key] for one in both])
                for key in (_told_by(name), "found_first", "off_target")
            )
            cells.append(f"{far:.2f}, {100 * first:.0f} %, {off:.2f}")
        lines.append(f"| {kind} | {strength:g} | {' | '.join(cells)} |")
    note = (
        "Deviations moved (by the judge where there is one), share found first among all portraits, off-target change."
    )
    return "\n".join([*lines, "", note])


def plot(found: Sequence[Row], path: Path) -> None:
    """A panel for each direction: how far its judge's score (or its own) moved against the strength."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  (no dependency of zplus)

    names, kinds = (list(dict.fromkeys(x)) for x in ((one["direction"] for one in found), map(_kind, found)))
    colours = {space: f"C{i}" for i, space in enumerate(dict.fromkeys(one["space"] for one in found))}
    rows, columns = -(-len(names) // 3), min(3, len(names))
    figure, panels = plt.subplots(
        rows, columns, sharex=True, sharey=True, squeeze=False, figsize=(3.2 * columns, 2.5 * rows + 0.8),
        layout="constrained",
    )  # fmt: skip
    for panel, name in zip(panels.flat, names, strict=False):
        for kind in kinds:
            some = [one for one in found if (_kind(one), one["direction"]) == (kind, name)]
            points = {one["strength"]: one[_told_by(name)] for one in some if one[_told_by(name)] is not None}
            x = sorted({*points, 0.0})
            y = [copysign(1, strength) * points.get(strength, 0.0) for strength in x]
            style = {"color": colours[kind.split()[0]], "linestyle": "--" if kind.endswith("fixed") else "-"}
            panel.plot(x, y, marker=".", label=kind, **style)
        panel.set_title(f"{name}, by {JUDGES.get(name, 'its own score')}", fontsize=9)
        panel.grid(alpha=0.3)
    for panel in panels.flat[len(names) :]:
        panel.set_axis_off()
    figure.supxlabel("strength", fontsize=9)
    figure.supylabel("score moved, standard deviations", fontsize=9)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(kinds), fontsize=8)
    figure.savefig(path, dpi=110)


def _kind(row: Mapping[str, Any]) -> str:
    """The space, and what F did in it."""
    return " ".join(filter(None, (row["space"], row["feature"])))


def _told_by(direction: str) -> str:
    return "moved_by_judge" if direction in JUDGES else "moved_by_trainer"


def arguments(words: str) -> argparse.ArgumentParser:
    """Those of every script that edits the portraits."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--photos", type=int)
    return parser


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--spaces", nargs="+", default=["w+", "z+", "f/w+", "f/z+"])
    parser.add_argument("--directions", nargs="+")
    parser.add_argument("--strengths", nargs="+", type=float, default=[-3, -2, -1, 1, 2, 3])
    parser.add_argument("--plot", action="store_true")
    given = parser.parse_args()
    bench = Bench(given)
    directions = bench.directions(given.directions)
    groups: dict[tuple, list[tuple[Row, Row]]] = {}
    for space in given.spaces:
        for name, editor in bench.editors(space):
            began, before = time.perf_counter(), bench.measure(name, editor)
            for by, feature, strength in product(directions.values(), features_of(space), given.strengths):
                row = bench.measure(name, editor, feature, by, strength)
                groups.setdefault((space, feature, by.name, strength), []).append((row, before))
            print(f"{space} {name}: {time.perf_counter() - began:.0f} s", flush=True)
    parts = ("space", "feature", "direction", "strength")
    found = [dict(zip(parts, x, strict=True)) | summarised(bench, some, directions[x[2]]) for x, some in groups.items()]
    trainers = {name: by.card["attribute"] for name, by in directions.items()}
    save_result("steering", {"trainers": trainers, "judges": JUDGES, "rows": found})
    turns: dict[str, list[tuple[Row, Row]]] = {}
    for pair in chain(*groups.values()):
        if pair[0]["direction"] == "yaw":
            turns.setdefault(_kind(pair[0]), []).append(pair)
    if turns:
        limits = {"least_degrees": FAR, "most_residual_mm": FIT, "strengths": given.strengths}
        save_result("head_turn", limits | {"spaces": {kind: head_turns(some) for kind, some in turns.items()}})
    print(table(found, list(directions)))
    if given.plot:
        plot(found, PICTURE)


if __name__ == "__main__":
    main()
