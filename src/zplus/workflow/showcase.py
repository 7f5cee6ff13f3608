"""The edits that the demo shows: which, how strong, what came out, and what judges of it say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zplus.direction import Direction
from zplus.editing import Editor, find_direction
from zplus.errors import ZplusError
from zplus.faces.align import Aligned
from zplus.faces.paste import paste
from zplus.images import to_pixels
from zplus.latent import Latent
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.identity import Identity, distance
from zplus.wording import described, signed
from zplus.workflow.callbacks import Callbacks
from zplus.workflow.inverting import Inverter
from zplus.workflow.judging import makes_faces
from zplus.workflow.photo import Pixels
from zplus.workflow.sheet import Cell, contact_sheet

# Standard deviations of the attribute over the prior: seen at a glance, and still the same person. One deviation of yaw
# is 17 degrees. Two edits together are each made weaker, because what they change adds up.
STRENGTHS = {"smile": 1.2, "age": 1.0, "yaw": 0.8}
STRENGTH, TOGETHER = 1.0, 0.8
SHEET_SIDE = 320  # pixels of a picture on the contact sheet
STRIP = (-1.0, -0.5, 0.0, 0.5, 1.0)
SINGLES = (("smile",), ("age",), ("yaw",), ("mouth_open", "gender", "pitch"))  # the first of each that there is
PAIRS = ((0, 1), (0, 2))  # of the singles, made together


@dataclass(frozen=True)
class Outcome:
    """One edit of the demo: what was asked for, what came out, and what it did."""

    title: str
    strengths: Mapping[str, float]
    crop: Pixels
    photo: Pixels
    score: str  # by which the first direction was learnt
    scores: Mapping[str, float]
    identity_distance: float


@dataclass(frozen=True)
class Strip:
    """One direction at several strengths, as crops."""

    name: str
    crops: tuple[tuple[float, Pixels], ...]


@dataclass(frozen=True)
class Results:
    """All that a demo made, for the page, the sheet and the report."""

    photo: str
    aligned: Aligned
    reconstruction: Pixels
    facts: Mapping[str, Any]
    scores: Mapping[str, float]  # of the reconstruction
    outcomes: tuple[Outcome, ...]
    strips: tuple[Strip, ...]


class DemoEditor:
    """Makes and judges edits of one latent."""

    def __init__(self, inverter: Inverter, latent: Latent, aligned: Aligned, reconstruction: Tensor):
        self.generator, self.identity, self.latent = inverter.generator, inverter.identity or Identity(), latent
        self.aligned, self.reconstruction = aligned, reconstruction
        self.editor = Editor(inverter.generator, latent)
        self.scorers = Scorers(self.identity.detector)
        self.owner = self.identity.embed(aligned.pixels)

    def scores(self, pixels: Pixels) -> dict[str, float]:
        """All scores of a crop; none of a generator that makes no photos of faces."""
        return self.scorers.measure(pixels, ATTRIBUTES) if makes_faces(self.generator) else {}

    def picture(self, name: str, strength: float) -> Pixels:
        """The crop after an edit."""
        if not strength:
            return to_pixels(self.reconstruction)
        return to_pixels(self.editor.image(self.editor.edit({name: strength}))[0])

    def outcome(self, strengths: Mapping[str, float]) -> Outcome:
        """An edit, pasted back into the photo and judged."""
        first = find_direction(next(iter(strengths)), self.generator)
        edited = self.editor.edit(strengths)
        image = self.editor.image(edited)[0].cpu()
        crop = to_pixels(image)
        return Outcome(
            title=" and ".join(described(name, strength) for name, strength in strengths.items()),
            strengths=strengths,
            crop=crop,
            photo=paste(self.aligned, self.reconstruction, image),
            score=str(first.card.get("attribute", "")),
            scores=self.scores(crop),
            identity_distance=distance(self.owner, self.identity.embed(crop)),
        )


def chosen_directions(known: Mapping[str, Direction]) -> list[Direction]:
    """The directions that are shown: one of each kind that there is, or the first of other kinds."""
    found = [next((known[name] for name in names if name in known), None) for names in SINGLES]
    chosen = [x for x in found if x is not None] or list(known.values())[: len(SINGLES)]
    if not chosen:
        raise ZplusError("This model comes with no directions to show: learn some and apply them with 'zplus edit'.")
    return chosen


def make_edits(
    editor: DemoEditor, found: list[Direction], photo: str, facts: Mapping[str, Any], callbacks: Callbacks
) -> Results:
    """All edits, each away from the photo's present state: less of a smile where there is one, else more."""
    reconstruction = to_pixels(editor.reconstruction)
    present = editor.scores(editor.aligned.pixels)
    singles = {d.name: STRENGTHS.get(d.name, STRENGTH) * _away(d, present) for d in found}
    names = list(singles)
    wanted = [{name: singles[name]} for name in names]
    together = {name: round(TOGETHER * strength, 2) for name, strength in singles.items()}
    wanted += [{names[i]: together[names[i]] for i in pair} for pair in PAIRS if max(pair) < len(names)]
    outcomes, strips = [], []
    with callbacks.stage("Editing and pasting back", len(wanted)) as tick:
        for i, strengths in enumerate(wanted):
            outcomes.append(editor.outcome(strengths))
            tick(i + 1, outcomes[-1].title)
    with callbacks.stage("Strips of strengths", len(names)) as tick:
        for i, name in enumerate(names):
            strips.append(Strip(name, tuple((s, editor.picture(name, s)) for s in STRIP)))
            tick(i + 1, name)
    scores = editor.scores(reconstruction)
    return Results(photo, editor.aligned, reconstruction, facts, scores, tuple(outcomes), tuple(strips))


def results_sheet(results: Results) -> Pixels:
    """The contact sheet: the photo, the edits, the edits in the photo, and the strips."""
    return contact_sheet(
        [
            [
                Cell(results.aligned.photo, "photo"),
                Cell(results.aligned.pixels, "aligned"),
                Cell(results.reconstruction, "reconstruction"),
            ],
            [Cell(x.crop, x.title) for x in results.outcomes],
            [Cell(x.photo, "pasted back") for x in results.outcomes],
            *([Cell(pixels, f"{x.name} {signed(s)}") for s, pixels in x.crops] for x in results.strips),
        ],
        SHEET_SIDE,
    )


def _away(direction: Direction, present: Mapping[str, float]) -> int:
    """The sign that leads away from the photo's present state, as against the mean of the prior."""
    score, mean = present.get(direction.card.get("attribute", "")), direction.card.get("score_mean", 0.0)
    return -1 if score is not None and score > mean else 1
