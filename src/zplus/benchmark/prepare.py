"""What a bench needs before its first trial: directions, photos and drawings, calibrated scorers, people."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zplus.benchmark.bench import Bench, Plan
from zplus.benchmark.conditions import OWN_WAY, codes_of
from zplus.benchmark.people import People
from zplus.benchmark.rows import Row
from zplus.benchmark.run import PRIMARY, Recorder, Trial
from zplus.benchmark.samples import Images, Samples, drawn, photos
from zplus.benchmark.scorers import Scorer, face_scorers, learnt_scorer
from zplus.benchmark.statistics import MINIMUM
from zplus.benchmark.trial import Metrics
from zplus.direction import Direction
from zplus.editing import FINDERS, Search, directions_of, find_direction
from zplus.errors import DownloadError, MissingExtraError, ZplusError
from zplus.generators import Generator
from zplus.generators.contract import fingerprint
from zplus.inversion.encoder import encoder_of, load_encoder
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.identity import Identity
from zplus.perception.lpips import LPIPS
from zplus.perception.metrics import LPIPS_SIDE, MetricNetworks
from zplus.spaces import make_space

KINDS = ("w", "z", "s")  # of codes that directions are found in
FACES = ("smile", "age", "yaw")  # directions that two scorers can measure, although that of age is held out nowhere
COMPONENTS = 3  # principal components, for generators without directions that can be scored
REGRESSED, CALIBRATED = 20_000, 1000  # samples whose z is regressed on a position in W, and that measure a unit
PRIOR, SAMPLES = 100, 2000  # samples that measure the scorers' deviation, and that a scorer learns from
PAIRS = 32
MIN_QUALITY = 0.5  # correlation with which a scorer is trusted

Note = Callable[[str], None]


@dataclass(frozen=True)
class BenchOptions:
    """What a bench inverts and edits beside the generator's own images, and how it is run.

    photos: a folder; aligned: whether they are aligned faces already. pairs: a zip of drawings with their true edits.
    photo_count: the most of either. directions: names or files; `FACES` or components, if empty. tune: whether learning
    rates are chosen first. encoder: a file; None is the encoder that comes with the model.
    """

    photos: Path | None = None
    photo_count: int | None = None
    pairs: Path | None = None
    directions: Sequence[str] = ()
    aligned: bool = False
    tune: bool = False
    encoder: str | None = None


class Prepared:
    """All that a bench needs. `note` is told what is left out. Raises ZplusError for what cannot be measured."""

    def __init__(self, generator: Generator, plan: Plan, options: BenchOptions, note: Note):
        if not plan.conditions or not (plan.count or options.photos or options.pairs):
            raise ZplusError("There is nothing to invert: give --photos, --pairs or a --count.")
        if options.tune and plan.bench == "methods":
            raise ZplusError("Methods have learning rates of their own: leave --tune out.")
        self.generator, self.plan, self.options = generator, plan, options
        self.encoder = load_encoder(options.encoder, generator) if options.encoder else encoder_of(generator)
        self.directions = bench_directions(generator, options.directions)
        of_w = self.directions["w"]
        self.others = list(_others(generator, of_w, options, note))
        self.scorers, self.people = _scorers(generator, of_w, note), _people(self.others, note)
        lpips = {net: LPIPS(net).to(generator.device) for net in ("vgg", "alex")}
        networks = MetricNetworks(lpips.__getitem__, lpips_side=min(LPIPS_SIDE, generator.resolution))
        self.measure = Metrics(*self.scorers, networks, self.people)

    @property
    def primary(self) -> dict[str, str]:
        """The primary contrast; of spaces, each is edited by directions of its own kind if that is asked for."""
        planned = PRIMARY[self.plan.bench]
        own = f"{planned['a']} {OWN_WAY.name}"
        return planned | ({"a": own} if own in self.plan.arms else {})

    @property
    def settings(self) -> dict[str, Any]:
        """What must agree for a run to go on."""
        return asdict(self.plan) | {
            "tune": self.options.tune, "device": self.generator.device.type,
            "encoder": None if self.encoder is None else fingerprint(self.encoder.state_dict()),
            "others": {x.source: x.digest for x in self.others},
            "directions": {
                kind: {x.name: _digest(x, bool(self.options.directions)) for x in found}
                for kind, found in self.directions.items()
            },
            "gauges": [x.meaning for x in self.scorers], "identity": self.people is not None,
        }  # fmt: skip

    def record(self, recorder: Recorder, told: Note) -> bool:
        """Do all trials that are not done; whether they all are. Calibration comes first, then learning rates."""
        bench = Bench(self.generator, self.encoder, self.plan, self.directions, self.measure, recorder.folder)
        first = [
            Trial("calibration", self._calibration),
            *(Trial("what is seen in photos", partial(self._seen, x)) for x in self.others if x.real),
            *(bench.tuning() if self.options.tune else ()),
        ]
        finished = recorder.record(first, told)
        if recorder.failed:  # a rate that is missing would be another one when the run goes on
            return finished
        bench.choose_rates(recorder.rows("rate"))
        return finished and recorder.record(bench.trials(self.others), told)

    def _calibration(self) -> Iterator[Row]:
        """How far the scorers can be trusted, and the distance at which two faces count as two people."""
        for scorer in self.scorers:
            for name, quality in scorer.quality.items():
                yield _check(f"{scorer.meaning}: correlation with {name} on fresh samples", quality)
        for samples in (x for x in self.others if x.real and len(x.names) >= MINIMUM):
            yield from _agreement(samples, self.scorers)
        if self.people is not None and self.people.threshold is not None:
            yield _check("distance of faces at a false-accept rate of .001", self.people.threshold, 0.0)

    def _seen(self, faces: Samples) -> Iterator[Row]:
        """What edits of photos are compared with as a whole."""
        for name, image in zip(faces.names, _each(faces), strict=True):
            yield {"table": "photo", "subject": name, "real": True, "seen": self.measure.seen(image)[0]}


def bench_directions(generator: Generator, names: Sequence[str] = ()) -> dict[str, list[Direction]]:
    """By the kind of codes: those that were asked for; else those of faces; else principal components.

    Those of z and s must have the name of one of w, which reaches every space; those of z that are missing are
    `regressed`. Raises ZplusError.
    """
    known = directions_of(generator)
    found = [find_direction(name, generator) for name in names]
    found = found or [known[name] for name in FACES if name in known]
    found = found or FINDERS["principal"](generator, Search(count=COMPONENTS))
    kinds = {kind: {one.name: one for one in found if codes_of(one.space) == kind} for kind in KINDS}
    for one in found:
        if one.name not in kinds["w"]:
            raise ZplusError(f"{one.name} is of {one.space}: name a direction of w of the same name beside it.")
    kinds["z"] = {name: kinds["z"].get(name) or regressed(generator, one) for name, one in kinds["w"].items()}
    return {kind: list(of.values()) for kind, of in kinds.items()}


@torch.no_grad()
def regressed(generator: Generator, one: Direction) -> Direction:
    """The direction of Z for one of W: the regression of z on the position of w along it (GANSpace, equation 4).

    It moves the same codes. One unit moves w by one unit along the direction of W, on average over the prior.
    """
    space, vectors = make_space("z", generator), one.vector.to(generator.device)
    z = space.sample(REGRESSED, seed=4)
    moving = vectors.abs().amax(1) > 0
    axes = vectors[moving] / vectors[moving].square().sum(1, keepdim=True)  # [M, w], to positions in units
    place = space.to_w(z)[:, 0] @ axes.T  # [N, M]
    found = torch.zeros(len(vectors), z.shape[2], device=z.device)
    found[moving] = (place - place.mean(0)).T @ z[:, 0] / len(z)
    for row, axis in zip(moving.nonzero()[:, 0].tolist(), axes, strict=True):
        vector = found[row] / found[row].norm()
        gone = [space.to_w(space.move(z[:CALIBRATED], sign * vector[None, None]))[:, 0] @ axis for sign in (1, -1)]
        found[row] = vector / float((gone[0] - gone[1]).mean() / 2)
    kind = "z" if len(found) == 1 else "z+"
    card = one.card | {"method": "regression"}
    return Direction(one.name, kind, found.cpu(), make_space(kind, generator).required_fingerprint, card)


def _digest(direction: Direction, given: bool) -> str:
    """What tells a direction from others of its name; components have last bits of their own in every run."""
    computed = direction.card.get("method") == "regression" or (
        direction.card.get("method") == "principal" and not given
    )
    return "computed" if computed else fingerprint({"": direction.vector})


def _scorers(generator: Generator, directions: Sequence[Direction], note: Note) -> tuple[Scorer, Scorer]:
    """The scorers of faces where all directions have one; else learnt on the spot, by two networks on other samples."""
    if all(x.card.get("attribute") in ATTRIBUTES for x in directions):
        try:
            return face_scorers(generator, directions, Scorers(), PRIOR)
        except (MissingExtraError, DownloadError) as error:
            note(f"The scorers of faces are not here, so scorers were learnt instead: {error}")
    nets = (("alex", 11), ("pixels", 12))  # not VGG: it is the loss of inversions and the measure of errors
    one, other = (learnt_scorer(generator, directions, net, SAMPLES, seed) for net, seed in nets)
    return one, other


def _others(
    generator: Generator, directions: Sequence[Direction], options: BenchOptions, note: Note
) -> Iterator[Samples]:
    """Drawings and photos, where they were given."""
    if options.pairs is not None:
        yield drawn(options.pairs, generator, [x.name for x in directions], options.photo_count or PAIRS)
    if options.photos is not None:
        yield photos(options.photos, generator, options.photo_count, options.aligned, note)


def _people(others: Sequence[Samples], note: Note) -> People | None:
    """The people of the photos, if there are any and the networks that know people are here."""
    try:
        found = next((People(x.names, (image[0] for image in _each(x)), Identity()) for x in others if x.real), None)
    except (MissingExtraError, DownloadError) as error:
        note(f"Identity is not measured: {error}")
        return None
    if found and found.threshold is None:
        note("The distance of faces at a false-accept rate of .001 is left out: it takes 1,000 pairs, thus 46 photos.")
    return found


def _agreement(samples: Samples, scorers: tuple[Scorer, Scorer]) -> Iterator[Row]:
    """How well the two scorers agree on photos."""
    one, other = ([scorer.read(image) for image in _each(samples)] for scorer in scorers)
    for name in (x for x in one[0] if x in other[0]):
        a, b = (np.concatenate([x[name] for x in read]) for read in (one, other))
        known = np.isfinite(a) & np.isfinite(b)
        correlation = float(np.corrcoef(a[known], b[known])[0, 1])
        yield _check(f"correlation of the two scorers of {name} on {known.sum()} photos", correlation)


def _each(samples: Samples) -> Iterator[Images]:
    """One picture at a time."""
    return (samples[i : i + 1].images for i in range(len(samples.names)))


def _check(what: str, value: float, least: float = MIN_QUALITY) -> Row:
    return {"table": "sanity", "check": what, "value": value, "limit": least, "passed": bool(value >= least)}
