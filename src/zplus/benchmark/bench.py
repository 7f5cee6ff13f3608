"""The benches that invert and edit: which trials they consist of, in an order that compares like with like."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from zplus.benchmark.conditions import BENCHES, Condition
from zplus.benchmark.rows import Row
from zplus.benchmark.run import Trial
from zplus.benchmark.samples import ORACLES, Samples, oracle
from zplus.benchmark.trial import (
    Edited,
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
from zplus.errors import UnknownNameError
from zplus.files import make_folder
from zplus.generators import Generator
from zplus.images import to_pixels, write_image
from zplus.spaces import render

RATES = (0.03, 0.06, 0.12)  # of codes, tried in every space: the default's half, itself and its double
TUNING_SEED, TUNING_COUNT = 1000, 2  # of each source of the oracle: pictures of which no figure is reported
ROOM = 32 * 64**2  # pixels that are inverted at once where nothing else is asked for
SHOWN = 4  # subjects of each source whose pictures are kept for the contact sheets
AMOUNT = 1.5  # deviations by which codes are truly moved
CLOSE = 0.2  # of the distortion that was asked for: so much more or less counts as it
WANTED = 1.0  # deviations by which edits of photos move the matching scorer
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
        """Those of the bench in these spaces; of the bench of spaces, those of these names."""
        known = BENCHES[self.bench]()
        names = [one.name if self.bench == "spaces" else one.space for one in known]
        for space in self.spaces:
            if space not in names:
                raise UnknownNameError("space of this bench", space, set(names))
        return [one for one, name in zip(known, names, strict=True) if not self.spaces or name in self.spaces]


class Bench:
    """What the trials of a bench share; `rates` are learning rates of codes, by the label of a condition."""

    def __init__(
        self, generator: Generator, plan: Plan, directions: Sequence[Direction], measure: Metrics, folder: Path
    ):
        self.generator, self.plan, self.directions, self.measure = generator, plan, directions, measure
        self.folder, self.rates = folder, dict[str, float]()
        self.batch = plan.batch or max(1, ROOM // generator.resolution**2)
        self._oracle = lru_cache(maxsize=1)(self._made)

    def tuning(self) -> Iterator[Trial]:
        """For each condition without a rate of its own, how near every rate comes on pictures of which no row is."""
        for condition in self.plan.conditions:
            if not condition.settings.keys() & {"method", "code_lr"}:
                yield Trial(f"rates of {self._label(condition)}", partial(self._tuned, condition))

    def choose_rates(self, rows: Iterable[Row]) -> None:
        """Take the rate that came nearest, of the rows that `tuning` gave."""
        best: dict[str, tuple[float, float]] = {}
        for row in rows:
            found = (row["lpips_vgg"], row["value"])
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
        changes = self._changes(condition)
        latent = inverted(self.generator, samples.images, condition, **changes)
        image, edited = render(self.generator, latent), Edited(self.generator, latent, condition)
        facts = [self._facts(samples, condition, seed, i) for i in range(len(latent))]
        rows = list(reconstruction_rows(self.generator, latent, image, samples, self.measure))
        near = [self._stopped_in_time(row["lpips_vgg"]) for row in rows]
        for known, row, in_time in zip(facts, rows, near, strict=True):
            yield known | {"table": "reconstruction", "reached": in_time if self.plan.distortion else None} | row
        shown = [Made("source", samples.images), Made("reconstruction", image)]
        shown += [Made("truth", images, *key) for key, images in samples.truths.items()]
        wanted = _side(seed) * WANTED
        for i, row in edit_rows(edited, image, samples, self.directions, self.measure, wanted, asked, shown):
            if "reached" in row:  # which is what rows of a single strength have not
                row["reached"] &= near[i]
            yield facts[i] | {"table": "edit", "feature": condition.feature if latent.layer else None} | row
        if samples.source == "z":
            direction, strength = self.directions[0], _side(seed) * AMOUNT
            lec = loss_of_editing(edited, image, direction, strength, self.measure, **changes)
            for i, value in enumerate(lec.tolist()):
                row = {"direction": direction.name, "what": "there and back", "lec": value, "reached": near[i]}
                yield facts[i] | {"table": "edit"} | row
        still, _ = edited.image(self.directions[0], 0.0)
        difference = float((still - image).abs().max())
        sane = {"table": "sanity", "check": "strength 0 is the reconstruction", "limit": 0.0, "value": difference}
        yield {"space": facts[0]["space"], "variant": facts[0]["variant"], "passed": difference == 0} | sane
        for (name, _), images in samples.truths.items():
            if lost := float(images.isnan().flatten(1).any(1).sum()):
                check = f"codes of {samples.source} that cannot follow {name} and so have no true edit"
                yield {"table": "sanity", "check": check, "limit": 0.0, "value": lost, "passed": False}
        if seed == 0:
            yield from self._kept(facts[: max(0, SHOWN - first)], shown)

    def _kept(self, facts: Sequence[Row], shown: Sequence[Made]) -> Iterator[Row]:
        """The pictures of these subjects, written, and a row for each."""
        make_folder(self.folder / "pictures")
        for what, images, direction, truth, strengths in shown:
            for i, known in enumerate(facts):
                if images[i].isnan().any():  # a truth that there is not
                    continue
                row = {key: x for key, x in known.items() if what in ("reconstruction", "edit") or key not in ARMS}
                row |= {"table": "picture", "what": what, "direction": direction, "truth": truth}
                name = hashlib.sha256(json.dumps(row).encode()).hexdigest()[:16]  # which tells nobody what it is
                write_image(self.folder / "pictures" / f"{name}.png", to_pixels(images[i]), "benchmark")
                yield row | {"file": f"pictures/{name}.png", "strength": strengths[i] if strengths else None}

    def _tuned(self, condition: Condition) -> Iterator[Row]:
        """How near each rate comes, on a few pictures of every source."""
        parts = [oracle(self.generator, source, TUNING_COUNT, TUNING_SEED, (), 0.0).images for source in ORACLES]
        for rate in RATES:
            missed = []
            for images in torch.cat(parts).split(self.batch):
                latent = inverted(self.generator, images, condition, steps=self.plan.steps, code_lr=rate)
                missed.append(self.measure.distance(render(self.generator, latent), images))
            near = float(torch.cat(missed).mean())
            yield {"table": "rate", "what": self._label(condition), "value": rate, "lpips_vgg": near}

    def _changes(self, condition: Condition) -> dict[str, Any]:
        """The settings that all conditions share, and the rate of this one."""
        until = partial(self.measure.until, self.plan.distortion) if self.plan.distortion else None
        return {"steps": self.plan.steps, "code_lr": self.rates.get(self._label(condition)), "until": until}

    def _stopped_in_time(self, lpips: float) -> bool:
        """Whether a picture is about as far as was asked for; its code may not come so near, or begin nearer."""
        wanted = self.plan.distortion
        return wanted is None or abs(lpips - wanted) <= CLOSE * wanted

    def _facts(self, samples: Samples, condition: Condition, seed: int, i: int) -> Row:
        """What the rows of a picture begin with."""
        facts = {"subject": samples.names[i], "source": samples.source, "seed": seed, "real": samples.real}
        facts |= {"space": condition.space, "variant": condition.name}
        if self.plan.bench == "spaces":  # whose conditions are spaces, and controls that count as spaces
            facts |= {"space": condition.name, "variant": "default"}
        return facts | ({"groups": dict(samples.groups[i])} if samples.groups[i] else {})

    def _label(self, condition: Condition) -> str:
        """What names a condition among those of its bench."""
        return condition.name if self.plan.bench == "spaces" else f"{condition.name} in {condition.space}"


def _side(seed: int) -> int:
    """To which side codes move: up and down in turn."""
    return 1 if seed % 2 == 0 else -1
