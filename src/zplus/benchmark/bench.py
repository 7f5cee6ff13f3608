"""The benches that invert and edit: which trials they consist of, in an order that compares like with like."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from zplus.benchmark.conditions import BENCHES, Condition
from zplus.benchmark.rows import Row
from zplus.benchmark.run import Trial
from zplus.benchmark.subjects import ORACLES, Subjects, oracle
from zplus.benchmark.trial import (
    Edited,
    Instruments,
    Made,
    edit_rows,
    inverted,
    loss_of_editing,
    reconstruction_rows,
)
from zplus.direction import Direction
from zplus.generators import Generator
from zplus.images import to_pixels, write_image
from zplus.spaces import render

RATES = (0.03, 0.06, 0.12)  # of codes, tried in every space: the default's half, itself and its double
TUNING_SEED, TUNING_COUNT = 1000, 2  # of each source of the oracle: pictures of which no figure is reported
SHOWN = 4  # pictures of each batch that are kept for the contact sheets
AMOUNT = 1.5  # deviations by which codes are truly moved
ARMS = ("space", "variant")
WANTED = 1.0  # deviations by which the gauge is to see a photo change


@dataclass(frozen=True)
class Plan:
    """What a bench runs on. count: pictures of each source and seed. steps: of every inversion, None as each has it."""

    bench: str
    count: int = 8
    seeds: int = 3
    steps: int | None = None
    batch: int = 32
    spaces: tuple[str, ...] = ()  # all, if empty


class Bench:
    """What the trials of a bench share; `rates` are learning rates of codes, by the label of a condition."""

    def __init__(
        self, generator: Generator, plan: Plan, directions: Sequence[Direction], measure: Instruments, folder: Path
    ):
        self.generator, self.plan, self.directions, self.measure = generator, plan, directions, measure
        self.folder, self.rates = folder, dict[str, float]()
        known = BENCHES[plan.bench]()
        self.conditions = [one for one in known if not plan.spaces or one.space in plan.spaces]
        self._oracle = lru_cache(maxsize=1)(self._made)

    def tuning(self) -> Iterator[Trial]:
        """For each condition, how near every rate comes on pictures of their own: the same effort for all."""
        for condition in self.conditions:
            yield Trial(f"rates of {self._label(condition)}", lambda c=condition: self._tuned(c))  # type: ignore[misc]

    def choose_rates(self, rows: Iterable[Row]) -> None:
        """Take the rate that came nearest, of the rows that `tuning` gave."""
        best: dict[str, tuple[float, float]] = {}
        for row in rows:
            found = (row["lpips_vgg"], row["value"])
            best[row["what"]] = min(found, best.get(row["what"], found))
        self.rates = {what: rate for what, (_, rate) in best.items()}

    def trials(self, others: Sequence[Subjects]) -> Iterator[Trial]:
        """Seed by seed, batch by batch, condition by condition; `others` are drawings or photos, once."""
        for seed in range(self.plan.seeds):
            for source in ORACLES if self.plan.count else ():
                yield from self._of_all(f"{source}, seed {seed}", source, seed, None)
        for subjects in others:
            size = 1 if subjects.real else self.plan.batch
            for first in range(0, len(subjects.names), size):
                part = subjects[first : first + size]
                yield from self._of_all(f"{subjects.source} {first}", subjects.source, 0, part)

    def _of_all(self, name: str, source: str, seed: int, subjects: Subjects | None) -> Iterator[Trial]:
        for condition in self.conditions:

            def work(chosen: Condition = condition) -> Iterable[Row]:
                return self._rows(subjects or self._oracle(source, seed), chosen, seed)

            yield Trial(f"{self._label(condition)} on {name}", work)

    def _made(self, source: str, seed: int) -> Subjects:
        return oracle(self.generator, source, self.plan.count, seed, self.directions, _side(seed) * AMOUNT)

    def _rows(self, subjects: Subjects, condition: Condition, seed: int) -> Iterator[Row]:
        """All rows of a batch: reconstructions, edits, their pictures, and whether strength 0 changes nothing."""
        latent = inverted(self.generator, subjects.images, condition, **self._changes(condition))
        image, edited = render(self.generator, latent), Edited(self.generator, latent, condition)
        facts = [self._facts(subjects, condition, seed, i) for i in range(len(latent))]
        for i, row in enumerate(reconstruction_rows(self.generator, latent, image, subjects, self.measure)):
            yield facts[i] | {"table": "reconstruction"} | row
        made = [Made("source", subjects.images), Made("reconstruction", image)]
        made += [Made("truth", images, *key) for key, images in subjects.truths.items()]
        wanted = _side(seed) * WANTED
        for i, row in edit_rows(edited, image, subjects, self.directions, self.measure, wanted, made):
            yield facts[i] | {"table": "edit", "feature": condition.feature if latent.layer else None} | row
        if subjects.source == "z":
            first, strength = self.directions[0], _side(seed) * AMOUNT
            changes = self._changes(condition)
            lec = loss_of_editing(edited, image, first, strength, self.measure, **changes)
            for i, value in enumerate(lec.tolist()):
                yield facts[i] | {"table": "edit", "direction": first.name, "what": "there and back", "lec": value}
        still, _ = edited.picture(self.directions[0], 0.0)
        difference = float((still - image).abs().max())
        sane = {"table": "sanity", "check": "strength 0 is the reconstruction", "limit": 0.0, "value": difference}
        yield {"space": facts[0]["space"], "variant": facts[0]["variant"], "passed": difference == 0} | sane
        if seed == 0:
            yield from self._kept(facts, made)

    def _kept(self, facts: Sequence[Row], made: Sequence[Made]) -> Iterator[Row]:
        """The first pictures of a batch, written, and a row for each."""
        (self.folder / "pictures").mkdir(exist_ok=True)
        for what, images, direction, truth in made:
            for i, known in enumerate(facts[:SHOWN]):
                row = {key: x for key, x in known.items() if what in ("reconstruction", "edit") or key not in ARMS}
                row |= {"table": "picture", "what": what, "direction": direction, "truth": truth}
                name = hashlib.sha256(json.dumps(row).encode()).hexdigest()[:16]  # which tells nobody what it is
                write_image(self.folder / "pictures" / f"{name}.png", to_pixels(images[i]), "benchmark")
                yield row | {"file": f"pictures/{name}.png"}

    def _tuned(self, condition: Condition) -> Iterator[Row]:
        """How near each rate comes, on a few pictures of every source."""
        images = torch.cat(
            [oracle(self.generator, source, TUNING_COUNT, TUNING_SEED, (), 0.0).images for source in ORACLES]
        )
        for rate in RATES:
            latent = inverted(self.generator, images, condition, steps=self.plan.steps, code_lr=rate)
            near = self.measure.distance(render(self.generator, latent), images).mean()
            yield {"table": "rate", "what": self._label(condition), "value": rate, "lpips_vgg": float(near)}

    def _changes(self, condition: Condition) -> dict[str, object]:
        """The settings that all conditions share, and the rate of this one."""
        return {"steps": self.plan.steps, "code_lr": self.rates.get(self._label(condition))}

    def _facts(self, subjects: Subjects, condition: Condition, seed: int, i: int) -> Row:
        """What the rows of a picture begin with."""
        facts = {"subject": subjects.names[i], "source": subjects.source, "seed": seed, "real": subjects.real}
        facts |= {"space": condition.space, "variant": condition.name}
        if self.plan.bench == "spaces":  # whose conditions are spaces, and controls that count as spaces
            facts |= {"space": condition.name, "variant": "default"}
        return facts | ({"groups": dict(subjects.groups[i])} if subjects.groups[i] else {})

    def _label(self, condition: Condition) -> str:
        """What names a condition among those of its bench."""
        return condition.name if self.plan.bench == "spaces" else f"{condition.name} in {condition.space}"


def _side(seed: int) -> int:
    """To which side codes move: up and down in turn."""
    return 1 if seed % 2 == 0 else -1
