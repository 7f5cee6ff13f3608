"""One condition on one set of pictures: inverted, edited at many strengths, matched, and told in rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zplus.benchmark.conditions import Condition
from zplus.benchmark.people import People, sharpness
from zplus.benchmark.rows import Row
from zplus.benchmark.samples import Images, Samples
from zplus.benchmark.scorers import Scorer
from zplus.benchmark.sweep import STRENGTHS, Edited, StrengthSweep
from zplus.direction import Direction
from zplus.generators import Generator
from zplus.inversion import invert
from zplus.inversion.problem import Callback
from zplus.latent import Latent
from zplus.perception.lpips import at
from zplus.perception.metrics import LPIPS_SIDE, METRICS, MetricNetworks, measure_images
from zplus.spaces import convert, latent_of, make_space, space_of
from zplus.spaces.penalties import p_norm
from zplus.spaces.registry import default_layer
from zplus.spaces.sphere import angles
from zplus.training.distance import seen

RECONSTRUCTION = ("lpips_vgg", "lpips_alex", "mse", "ssim", "ms_ssim")  # metrics; of the people there is more to say
WANTED = 1.0  # deviations by which edits of photos move the matching scorer

Truth = str | None  # how a true edit was defined; None for photos, which have none


class Made(NamedTuple):
    """Pictures to look at [N,3,R,R]: "source", "reconstruction", or the "truth" or "edit" of a direction."""

    what: str
    images: Images
    direction: str | None = None
    truth: str | None = None
    strengths: Sequence[float] | None = None  # of edits, one for each
    arm: Row | None = None  # of edits: what names the way to edit


@dataclass(frozen=True)
class Goals:
    """What is asked of a batch: by direction the side to which codes move, 1 or -1; by direction and truth the change.

    Changes are those that the matching scorer measures, in deviations; nan where there is no truth.
    """

    side: Mapping[str, int]
    change: Mapping[tuple[str, Truth], Float[np.ndarray, " n"]]


@dataclass(frozen=True)
class Metrics:
    """What a trial measures with: the scorer that edits are matched by, a held-out one, networks, and the people."""

    matching: Scorer
    held_out: Scorer
    networks: MetricNetworks
    people: People | None = None

    def distance(self, a: Images, b: Images) -> Float[Tensor, " n"]:
        """LPIPS by VGG16, row by row."""
        return METRICS["lpips_vgg"](a, b, self.networks)

    def seen(self, images: Images) -> list[list[float]]:
        """What VGG16 sees at the size of LPIPS, to three digits, of which a report makes the kernel distance."""
        found = seen(at(images, self.networks.lpips_side), self.networks.lpips("vgg"))
        return [[float(f"{x:.3g}") for x in row] for row in found.tolist()]

    def until(self, distortion: float, target: Images) -> Callback:
        """Stops an inversion as soon as all its pictures lie so near to the target in LPIPS."""
        return lambda progress: bool((self.distance(progress.image, target) <= distortion).all())

    def who(self, image: Float[Tensor, "3 r r"], samples: Samples, i: int) -> dict[str, float]:
        """How far a picture of photo i is from its person; nothing for other pictures, or where nobody is known."""
        return self.people.compare(image, samples.names[i]) if self.people is not None and samples.real else {}


def inverted(
    generator: Generator,
    images: Images,
    condition: Condition,
    until: Callable[[Images], Callback] | None = None,
    **changes: Any,
) -> Latent:
    """The pictures' latent under a condition; LPIPS of its loss at 256 px at most. `until` says when to stop."""
    layer = None
    if condition.space.startswith("f/") and condition.depth != 1:
        usual = generator.layers[default_layer(generator)].resolution
        layer = str(round(usual * condition.depth))
    size = min(LPIPS_SIDE, generator.resolution)
    settings = {"lpips_size": size, **changes, **condition.settings}
    settings |= {"layer": layer, "psi": condition.psi, "callback": until and until(images)}
    latent = invert(generator, images, condition.space, **settings)
    if condition.into is None:
        return latent
    target = make_space(condition.into, generator, latent.layer)
    point, _ = convert(space_of(generator, latent), latent.inverted, target)
    return latent_of(target, point, figures=latent.figures)


@torch.no_grad()
def reconstruction_rows(
    generator: Generator, latent: Latent, image: Images, samples: Samples, measure: Metrics
) -> Iterator[Row]:
    """How near each reconstruction is, and how near its code is to the prior."""
    target = samples.images
    found = measure_images(image, target, RECONSTRUCTION, measure.networks) | _conformity(generator, latent)
    seconds, seen = latent.figures["seconds"], measure.seen(image) if samples.real else None
    for i in range(len(latent)):
        row: Row = {key: float(x[i]) for key, x in found.items()} | {"seconds": seconds[i]}
        yield row | {"seen": seen and seen[i]} | measure.who(image[i], samples, i)


def _conformity(generator: Generator, latent: Latent) -> dict[str, Tensor]:
    """P-norm of the codes in Z and W, and the mean angle between the codes of the layers."""
    space, code = space_of(generator, latent), latent.inverted.code.to(generator.device)
    found = {} if not space.within_w else {"pn_norm": p_norm(space, code)}
    if space.has_angles and code.shape[1] > 1:
        one, other = torch.triu_indices(code.shape[1], code.shape[1], 1)
        found["layer_angle"] = angles(code[:, one], code[:, other]).mean(1)
    return found


def goals(samples: Samples, measure: Metrics) -> Goals:
    """What is asked of these pictures: the changes of their truths; of a photo one that leads away from what it shows.

    A face that smiles more than the mean of the prior is to smile less by `WANTED` deviations, any other to smile more.
    """
    start = measure.matching.read(samples.images)
    if not samples.truths:
        side = {name: -1 if reading.item() > 0 else 1 for name, reading in start.items()}  # photos come one by one
        return Goals(side, {(name, None): np.array([WANTED * x]) for name, x in side.items()})
    change: dict[tuple[str, Truth], np.ndarray] = {}
    for (name, truth), images in samples.truths.items():
        moved = measure.matching.read(images.nan_to_num())[name] - start[name]
        change[name, truth] = np.where(_known(images), moved, np.nan)
    return Goals(dict.fromkeys(start, samples.side), change)


def _known(images: Images) -> Bool[np.ndarray, " n"]:
    """Which pictures there are: a truth is nan where its code cannot follow."""
    return (~images.isnan().flatten(1).any(1)).cpu().numpy()


def edit_rows(
    edited: Edited,
    reconstruction: Images,
    samples: Samples,
    directions: Sequence[Direction],
    measure: Metrics,
    asked: Goals,
    made: list[Made],
) -> Iterator[tuple[int, Row]]:
    """Rows by index of the picture: for each direction and truth, the edit whose change is closest to that `asked` for.

    `made` gathers what was chosen.
    """
    start, before = measure.matching.read(reconstruction), measure.held_out.read(reconstruction)
    for direction in directions:
        name = direction.name
        sweep = StrengthSweep(edited, reconstruction, direction, asked.side[name], start, measure.matching)
        if measure.people is not None and samples.real:
            yield from _curve(sweep, samples, measure)
        for truth, true in _truths(samples, name):
            goal = asked.change[name, truth]
            images, told = sweep.chosen(sweep.nearest(goal), goal)
            made.append(Made("edit", images, name, truth, told["strength"]))
            judged = measure.held_out.read(images)
            told |= {"judge_change": judged[name] - before[name]} if name in judged else {}
            told |= _compared(images, reconstruction, samples.images, true, measure)
            told |= {"seen": measure.seen(images)} if samples.real else {}
            for i in range(len(images)) if true is None else np.flatnonzero(_known(true)).tolist():
                row: Row = {key: x[i].item() if hasattr(x[i], "item") else x[i] for key, x in told.items()}
                yield i, row | {"direction": name, "truth": truth} | measure.who(images[i], samples, i)


def _compared(
    images: Images, reconstruction: Images, source: Images, true: Images | None, measure: Metrics
) -> dict[str, Tensor]:
    """How far edits are from their truth, and how far it is without an edit; without truth how sharp they are."""
    if true is None:
        return {"sharpness": sharpness(images, reconstruction, source)}
    return {
        "error_lpips": measure.distance(images, true),
        "error_alex": METRICS["lpips_alex"](images, true, measure.networks),
        "error_ssim": 1 - METRICS["ssim"](images, true),
        "error_mse": METRICS["mse"](images, true),
        "base_lpips": measure.distance(reconstruction, true),
    }


def _truths(samples: Samples, name: str) -> list[tuple[Truth, Images | None]]:
    """How the truth of this direction was defined, and its pictures; (None, None) for pictures that have no truth."""
    if not samples.truths:
        return [(None, None)]
    return [(truth, images) for (known, truth), images in samples.truths.items() if known == name]


def _curve(sweep: StrengthSweep, samples: Samples, measure: Metrics) -> Iterator[tuple[int, Row]]:
    """What each strength does to the people of photos, along the wanted side."""
    for strength, images, changes in zip(STRENGTHS, sweep.images, sweep.side * sweep.changes[sweep.name], strict=True):
        for i in range(len(images)):
            row: Row = {"table": "strength", "direction": sweep.name, "strength": strength, "change": float(changes[i])}
            yield i, row | measure.who(images[i], samples, i)


def loss_of_editing(
    edited: Edited,
    reconstruction: Images,
    direction: Direction,
    strength: float,
    measure: Metrics,
    **changes: Any,
) -> Float[Tensor, " n"]:
    """LPIPS between the reconstructions and the same edited, inverted again and edited back: LEC of pictures.

    The papers take it of latents, whose lengths cannot be compared between spaces. nan where a code cannot follow.
    """
    images, followed = edited.image(direction, strength)
    generator, condition = edited.generator, edited.condition
    again = Edited(generator, inverted(generator, images, condition, **changes), condition, edited.way)
    back, returned = again.image(direction, -strength)
    both = torch.tensor(followed) & torch.tensor(returned)
    return torch.where(both.to(reconstruction.device), measure.distance(back, reconstruction), torch.nan)
