"""One condition on one set of pictures: inverted, edited at many strengths, matched, and told in rows."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zplus.benchmark.conditions import Condition, Way, norm_kept
from zplus.benchmark.people import People, sharpness
from zplus.benchmark.rows import Row
from zplus.benchmark.samples import Images, Samples
from zplus.benchmark.scorers import Readings, Scorer
from zplus.direction import Direction
from zplus.editing import Editor
from zplus.editing.warping import with_code
from zplus.errors import LatentError
from zplus.execution import Execution
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

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)  # deviations, tried for every picture
RECONSTRUCTION = ("lpips_vgg", "lpips_alex", "mse", "ssim", "ms_ssim")  # metrics; of the people there is more to say
NEAR = 0.25  # of the wanted change: nearer than this, it was reached
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
    """What is asked of a batch: by direction the `side` to which codes move (1 or -1), by direction and truth `change`.

    Changes are those that the matching scorer measures, in deviations; nan where there is no truth.
    """

    side: Mapping[str, Float[np.ndarray, " n"]]
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


class Edited:
    """A latent opened under a condition: its picture along a direction at any strength.

    execution: how networks run; None is eager fp32, as for the truths.
    """

    def __init__(
        self,
        generator: Generator,
        latent: Latent,
        condition: Condition,
        way: Way | None = None,
        execution: Execution | None = None,
    ):
        self.generator, self.latent, self.condition = generator, latent, condition
        self.way = way or condition.ways[0]
        self.editor = Editor(generator, latent, execution)

    def reconstruction(self) -> Images:
        """The pictures without an edit."""
        return self.editor.image(self.latent)

    def image(self, direction: Direction, strength: float) -> tuple[Images, list[bool]]:
        """The pictures, and whether each row could follow the direction; one that could not stays as it is."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that rows cannot follow is told by `followed`
                edited = self.editor.edit({direction: strength}, feature=self.condition.feature, move=self.way.move)
        except LatentError:
            return self.reconstruction(), [False] * len(self.latent)
        return self._image(edited), self.editor.followed(edited)

    def _image(self, edited: Latent) -> Images:
        if self.condition.keep_norm and edited.edited is not None:
            space = self.editor.space
            before = edited.inverted.contiguous_copy(self.generator.device)
            code = norm_kept(before.code, edited.edited.code, space.statistics.w_mean)
            edited = replace(edited, edited=with_code(space, before, code, self.condition.feature))
        return self.editor.image(edited)


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


class StrengthSweep:
    """The images of a batch at every strength of a direction, and the change that the matching scorer measures.

    side: to which each row moves, 1 or -1.
    """

    def __init__(
        self,
        edited: Edited,
        reconstruction: Images,
        direction: Direction,
        side: Float[np.ndarray, " n"],
        start: Readings,
        measure: Metrics,
    ):
        self.sides, self.strengths = side, np.outer(STRENGTHS, side) + 0.0  # [S, N], without -0.0
        tried = [(reconstruction, [True] * len(reconstruction))]  # at 0
        tried += [_to_sides(edited, direction, strengths) for strengths in self.strengths[1:]]
        self.images = torch.stack([images for images, _ in tried])  # [S, N, 3, R, R]
        self.followed = np.array([followed for _, followed in tried])  # [S, N]
        readings = [start, *map(measure.matching.read, self.images[1:])]
        self.changes = {key: np.array([x[key] - start[key] for x in readings]) for key in start}  # [S, N]
        self.name = direction.name

    def nearest(self, goal: Float[np.ndarray, " n"]) -> np.ndarray:
        """For each row the strength, by its number, whose change is nearest to a goal."""
        missed = np.abs(self.changes[self.name] - goal)
        return np.where(np.isfinite(missed), missed, np.inf).argmin(0)

    def chosen(self, best: np.ndarray, goal: np.ndarray) -> tuple[Images, dict[str, Any]]:
        """The pictures at these strengths, and what there is to say of them, [N] each."""
        rows = np.arange(len(best))
        change = self.changes[self.name][best, rows]
        others = [np.abs(x[best, rows]) for key, x in self.changes.items() if key != self.name]
        told: dict[str, Any] = {
            "strength": self.strengths[best, rows], "wanted": goal, "change": change,
            "reached": self.followed[best, rows] & (np.abs(change - goal) <= NEAR * np.abs(goal)),
        }  # fmt: skip
        return self.images[best, rows], told | ({"off_target": np.mean(others, 0)} if others else {})


def _to_sides(edited: Edited, direction: Direction, strengths: Float[np.ndarray, " n"]) -> tuple[Images, list[bool]]:
    """The pictures of a batch whose rows move by as much, but not to the same side."""
    first, *more = [edited.image(direction, strength) for strength in np.unique(strengths).tolist()]
    for images, followed in more:  # of the higher of two strengths
        up = strengths > 0
        shown = torch.where(torch.from_numpy(up).to(images.device)[:, None, None, None], images, first[0])
        first = shown, np.where(up, followed, first[1]).tolist()
    return first


def goals(samples: Samples, measure: Metrics) -> Goals:
    """What is asked of these pictures: the changes of their truths; for photos one that leads away from what they show.

    A face that smiles more than the mean of the prior is to smile less by `WANTED` deviations, any other to smile more.
    """
    start = measure.matching.read(samples.images)
    if not samples.truths:
        side = {name: np.where(reading > 0, -1.0, 1.0) for name, reading in start.items()}
        return Goals(side, {(name, None): WANTED * x for name, x in side.items()})
    change: dict[tuple[str, Truth], np.ndarray] = {}
    for (name, truth), images in samples.truths.items():
        moved = measure.matching.read(images.nan_to_num())[name] - start[name]
        change[name, truth] = np.where(_known(images), moved, np.nan)
    return Goals({name: np.full(len(samples.names), float(samples.side)) for name in start}, change)


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
        sweep = StrengthSweep(edited, reconstruction, direction, asked.side[name], start, measure)
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
    """What each strength does to the people of photos."""
    for strengths, images, changes in zip(sweep.strengths, sweep.images, sweep.changes[sweep.name], strict=True):
        for i in range(len(images)):
            side = sweep.sides[i]
            told = {"strength": float(strengths[i] * side), "change": float(changes[i] * side)}
            row: Row = {"table": "strength", "direction": sweep.name} | told
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
