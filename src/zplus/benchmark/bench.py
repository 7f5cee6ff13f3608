"""The benches that invert and edit: which trials they consist of, in an order that compares like with like."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from zplus.benchmark.conditions import BENCHES, Condition, Way, codes_of
from zplus.benchmark.rows import Row
from zplus.benchmark.run import Trial
from zplus.benchmark.samples import ORACLES, Images, Kinds, Samples, oracle
from zplus.benchmark.sweep import Edited
from zplus.benchmark.trial import (
    Goals,
    Made,
    Metrics,
    edit_rows,
    goals,
    inverted,
    loss_of_editing,
    reconstruction_rows,
)
from zplus.direction import Direction
from zplus.errors import UnknownNameError, ZplusError
from zplus.execution import best_execution
from zplus.files import make_folder
from zplus.generators import Generator
from zplus.images import to_pixels, write_image
from zplus.inversion.encoder import Encoder
from zplus.spaces import render

RATES = (0.03, 0.06, 0.12)  # of codes, tried in every space: the default's half, itself and its double, and beyond,
WIDEST = 6  # until the best has a worse one on both sides; so many doublings or halvings at most
TUNING_SEED, TUNING_COUNT = 1000, 2  # of each source of the oracle: pictures of which no figure is reported
ROOM = 32 * 64**2  # pixels that are inverted at once where nothing else is asked for
SHOWN = 4  # subjects of each source whose pictures are kept for the contact sheets
AMOUNT = 1.5  # deviations by which codes are truly moved
CLOSE = 0.2  # of the distortion that was asked for: so much more or less counts as it
ARMS = ("space", "variant")  # what rows of sources and truths lack


@dataclass(frozen=True)
class Plan:
    """What a bench runs on. count: pictures of each source and seed. steps: of every inversion, None as each has it.

    batch: pictures that are inverted at once; some methods, which tune the generator, and photos have one at a time.
    distortion: LPIPS at which inversions stop, each picture by itself, so that all spaces edit from equally far.
    """

    bench: str
    count: int = 8
    seeds: int = 3
    steps: int | None = None
    batch: int | None = None  # as many as suit their size
    spaces: tuple[str, ...] = ()  # all, if empty
    distortion: float | None = None

    @property
    def conditions(self) -> list[Condition]:
        """Those of the bench in these spaces; of the bench of spaces, those of these names, with the ways named."""
        known = BENCHES[self.bench]()
        names = {self.arm(one, way)["space"] for one in known for way in one.ways}
        for space in self.spaces:
            if space not in names:
                raise UnknownNameError("space of this bench", space, names)
        named = (replace(one, ways=tuple(x for x in one.ways if self._is_asked(one, x))) for one in known)
        return [one for one in named if one.ways]

    @property
    def arms(self) -> set[str]:
        """What rows name the spaces, controls and ways to edit by."""
        return {self.arm(one, way)["space"] for one in self.conditions for way in one.ways}

    def arm(self, condition: Condition, way: Way) -> Row:
        """What rows name a condition by; spaces, and controls and ways to edit that count as spaces, by one name."""
        if self.bench == "spaces":
            return {"space": f"{condition.name} {way.name}".rstrip(), "variant": "default"}
        return {"space": condition.space, "variant": condition.name}

    def _is_asked(self, condition: Condition, way: Way) -> bool:
        return not self.spaces or self.arm(condition, way)["space"] in self.spaces


class Bench:
    """What the trials of a bench share; `rates` are learning rates of codes, by the label of a condition."""

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder | None,
        plan: Plan,
        directions: Kinds,
        measure: Metrics,
        folder: Path,
    ):
        self.generator, self.encoder, self.plan = generator, encoder, plan
        self.directions, self.measure = directions, measure
        self.folder, self.rates = folder, dict[str, float]()
        self.batch = plan.batch or max(1, ROOM // generator.resolution**2)
        self._oracle = lru_cache(maxsize=1)(self._made)

    def tuning(self) -> Iterator[Trial]:
        """For each condition without a rate of its own, how near every rate comes on pictures of which no row is."""
        for condition in self.plan.conditions:
            if self.plan.bench != "methods" and "code_lr" not in condition.settings:  # methods have rates of their own
                yield Trial(f"rates of {self._label(condition)}", partial(self._tuned, condition))

    def choose_rates(self, rows: Iterable[Row]) -> None:
        """Take the rate that came nearest, of the rows that `tuning` gave."""
        best: dict[str, tuple[float, float]] = {}
        for row in rows:
            found = (row.get("lpips_vgg", math.inf), row["value"])
            best[row["what"]] = min(found, best.get(row["what"], found))
        self.rates = {what: rate for what, (_, rate) in best.items()}

    def trials(self, others: Sequence[Samples]) -> Iterator[Trial]:
        """Seed by seed, batch by batch, condition by condition; `others` are drawings or photos, once."""
        size = 1 if self.plan.bench == "methods" or self.plan.distortion else self.batch
        for seed, source in product(range(self.plan.seeds), ORACLES if self.plan.count else ()):
            for first in range(0, self.plan.count, size):
                made = partial(self._part, source, seed, slice(first, first + size))
                yield from self._of_all(f"{source} {first} of seed {seed}", made, seed, first)
        for samples in others:
            step = 1 if samples.real else size
            for first in range(0, len(samples.names), step):
                made = partial(samples.__getitem__, slice(first, first + step))
                yield from self._of_all(f"{samples.source} {samples.names[first]}", made, 0, first)

    def _of_all(self, name: str, made: Callable[[], Samples], seed: int, first: int) -> Iterator[Trial]:
        read = cache(partial(self._read, made))  # once for all conditions
        for condition in self.plan.conditions:
            label = self._label(condition)
            yield Trial(f"{label} on {name}", partial(self._rows, read, condition, seed, first), label)

    def _read(self, made: Callable[[], Samples]) -> tuple[Samples, Goals]:
        samples = made()
        return samples, goals(samples, self.measure)

    def _part(self, source: str, seed: int, rows: slice) -> Samples:
        return self._oracle(source, seed)[rows]

    def _made(self, source: str, seed: int) -> Samples:
        return oracle(self.generator, source, self.plan.count, seed, self.directions, _side(seed) * AMOUNT)

    def _rows(
        self, read: Callable[[], tuple[Samples, Goals]], condition: Condition, seed: int, first: int
    ) -> Iterator[Row]:
        """All rows of a batch: reconstructions, edits, their pictures, and whether strength 0 changes nothing.

        `first` is the number of its first picture in its source.
        """
        samples, asked = read()
        execution = best_execution(self.generator) if samples.real else None  # photos as users edit them
        changes = self._changes(condition) | {"execution": execution}
        latent = inverted(self.generator, samples.images, condition, **changes)
        ways = [
            Edited(self.generator, latent, condition, way, execution)
            for way in condition.ways
            if self._by(condition, way)
        ]
        if not ways:
            raise ZplusError(f"There are no directions of its own kind for {self._label(condition)}: give some.")
        image = ways[0].reconstruction()
        facts = [self._facts(samples, condition, seed, i) for i in range(len(latent))]
        rows = list(reconstruction_rows(self.generator, latent, image, samples, self.measure))
        near = [self._stopped_in_time(row["lpips_vgg"]) for row in rows]
        for known, row, in_time in zip(facts, rows, near, strict=True):
            yield known | {"table": "reconstruction", "reached": in_time if self.plan.distortion else None} | row
        shown = [Made("source", samples.images), Made("reconstruction", image)]
        shown += [Made("truth", images, *key) for key, images in samples.truths.items()]
        for edited in ways:
            yield from self._edited(edited, image, samples, asked, facts, near, shown, changes)
        for (name, _), images in samples.truths.items():
            if lost := float(images.isnan().flatten(1).any(1).sum()):
                check = f"codes of {samples.source} that cannot follow {name} and so have no true edit"
                yield {"table": "sanity", "check": check, "limit": 0.0, "value": lost, "passed": False}
        if seed == 0:
            yield from self._kept(facts[: max(0, SHOWN - first)], shown)

    def _edited(
        self, edited: Edited, image: Images, samples: Samples, asked: Goals, facts: Sequence[Row],
        near: Sequence[bool], shown: list[Made], changes: Mapping[str, Any],
    ) -> Iterator[Row]:  # fmt: skip
        """The rows of one way to edit a batch; `facts` are those of the condition, `shown` gathers pictures."""
        directions, arm = self._by(edited.condition, edited.way), self.plan.arm(edited.condition, edited.way)
        facts = [known | arm for known in facts]
        feature = edited.condition.feature if edited.latent.layer else None
        made: list[Made] = []
        for i, row in edit_rows(edited, image, samples, directions, self.measure, asked, made):
            if near[i]:
                yield facts[i] | {"table": "edit", "feature": feature} | row
        shown += [one._replace(arm=arm) for one in made]
        if samples.source == "z":
            strength = samples.side * AMOUNT
            lec = loss_of_editing(edited, image, directions[0], strength, self.measure, **changes)
            for i, value in enumerate(lec.tolist()):
                if near[i]:
                    row = {"direction": directions[0].name, "what": "there and back", "lec": value}
                    yield facts[i] | {"table": "edit"} | row
        still, _ = edited.image(directions[0], 0.0)
        difference = float((still - image).abs().max())
        sane = {"table": "sanity", "check": "strength 0 is the reconstruction", "limit": 0.0, "value": difference}
        yield arm | {"passed": difference == 0} | sane

    def _by(self, condition: Condition, way: Way) -> Sequence[Direction]:
        """The directions of a way to edit; none if there are none of the space's own kind."""
        return self.directions.get(codes_of(condition.space) if way.own else "w", ())

    def _kept(self, facts: Sequence[Row], shown: Sequence[Made]) -> Iterator[Row]:
        """The pictures of these subjects, written, and a row for each."""
        make_folder(self.folder / "pictures")
        for what, images, direction, truth, strengths, arm in shown:
            for i, known in enumerate(facts):
                if images[i].isnan().any():  # a truth that there is not
                    continue
                row = {key: x for key, x in known.items() if what in ("reconstruction", "edit") or key not in ARMS}
                row |= {"table": "picture", "what": what, "direction": direction, "truth": truth} | (arm or {})
                name = hashlib.sha256(json.dumps(row).encode()).hexdigest()[:16]  # which tells nobody what it is
                write_image(self.folder / "pictures" / f"{name}.png", to_pixels(images[i]), "benchmark")
                yield row | {"file": f"pictures/{name}.png", "strength": None if strengths is None else strengths[i]}

    def _tuned(self, condition: Condition) -> Iterator[Row]:
        """How near each rate comes, on a few pictures of every source."""
        parts = [oracle(self.generator, source, TUNING_COUNT, TUNING_SEED, {}, 0.0).images for source in ORACLES]

        def near(rate: float) -> float:
            missed = []
            for images in torch.cat(parts).split(self.batch):
                changes: dict[str, Any] = {"encoder": self.encoder, "steps": self.plan.steps, "code_lr": rate}
                latent = inverted(self.generator, images, condition, **changes)
                missed.append(self.measure.distance(render(self.generator, latent), images))
            return float(torch.cat(missed).mean())

        for rate, found in widened(near).items():
            yield {"table": "rate", "what": self._label(condition), "value": rate, "lpips_vgg": found}

    def _changes(self, condition: Condition) -> dict[str, Any]:
        """What all conditions are inverted with, and the rate of this one."""
        until = partial(self.measure.until, self.plan.distortion) if self.plan.distortion else None
        rate = self.rates.get(self._label(condition))
        return {"encoder": self.encoder, "steps": self.plan.steps, "code_lr": rate, "until": until}

    def _stopped_in_time(self, lpips: float) -> bool:
        """Whether a picture is about as far as was asked for; its code may not come so near, or begin nearer."""
        wanted = self.plan.distortion
        return wanted is None or abs(lpips - wanted) <= CLOSE * wanted

    def _facts(self, samples: Samples, condition: Condition, seed: int, i: int) -> Row:
        """What the rows of a picture begin with."""
        facts = {"subject": samples.names[i], "source": samples.source, "seed": seed, "real": samples.real}
        facts |= self.plan.arm(condition, Way())
        return facts | ({"groups": dict(samples.groups[i])} if samples.groups[i] else {})

    def _label(self, condition: Condition) -> str:
        """What names a condition among those of its bench."""
        return condition.name if self.plan.bench == "spaces" else f"{condition.name} in {condition.space}"


def widened(near: Callable[[float], float]) -> dict[float, float]:
    """The distances at `RATES`, and at double or half of them as long as the best lies at the edge.

    >>> sorted(widened(lambda rate: (rate - 0.2) ** 2))
    [0.03, 0.06, 0.12, 0.24, 0.48]
    """
    found = {rate: near(rate) for rate in RATES}
    for _ in range(WIDEST):
        best = min(found, key=found.__getitem__)
        beyond = {max(found): best * 2, min(found): best / 2}
        if best not in beyond:
            break
        found[beyond[best]] = near(beyond[best])
    return found


def _side(seed: int) -> int:
    """To which side codes move: up and down in turn."""
    return 1 if seed % 2 == 0 else -1
