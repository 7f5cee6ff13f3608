"""Learn a direction of W+ by gradient through the generator, over samples of the prior and photos that were inverted.

    python benchmarks/learn_direction.py NAME --latents FOLDER -o FILE [--start FILE] [--steps 240] [--samples 24]
                                         [--layers 3 9]

NAME: age, gender or smile. FOLDER holds latents of aligned portraits in F/Z+, none of those that edits are judged on.
A subject moves by s units, between .5 and 1.6 either way, and its F with it. Of its picture it is asked that
- the score moves by s deviations over the prior (age: by the network and by the regression on the descriptor),
- the identity descriptor stays (for age: but for the part that tells age), and so do the other scores,
- skin and what lies outside the head keep their colours; the latter and the eyes keep their detail too (a closed eye
  pleases a network that looks for another age).
The vector is learnt in deviations of w over the prior, from a direction in W (--start; that of age began with the
boundary of `zplus directions learn --attribute age --layers 3:9 --samples 2650`). The mean of both is kept,
which keeps the person better than either: their faults differ (a skin that turns pale and one that turns dark). Its
unit moves the score of the photos by one deviation, median.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from machine import RESULTS
from zplus.direction import Direction, load_direction, save_direction
from zplus.editing import directions_of
from zplus.editing.warping import with_code
from zplus.execution import Renderer, best_execution
from zplus.faces.align import LEFT_EYE, RIGHT_EYE
from zplus.faces.detector import FaceDetector
from zplus.generators import State, load_generator
from zplus.generators.prior import sample_w
from zplus.latent import Point, load_latent
from zplus.perception import age_identity
from zplus.perception.differentiable import DifferentiableFace, differentiable_face
from zplus.perception.lpips import at
from zplus.spaces import Space, convert, make_space, space_of

SCORES = {"age": "age", "gender": "gender", "smile": "smile_network"}  # by the name that DifferentiableFace gives them
SIDE, FINE, COARSE = 256, 128, 32  # pixels at which faces are scored, detail is compared, colours are
AGES = (18.0, 75.0)  # years that a subject is not to leave
STRENGTHS = (0.5, 1.6)
RATE = 0.03
IDENTITY, OTHERS, DETAIL, COLOUR = 8.0, 1.0, 10.0, 10.0  # weights
EYES = 10.0  # times the weight of other detail
SAMPLES_PSI = 0.85  # truncation of the samples
MOST_TURNED = 35.0  # degrees: others are no subjects


@dataclass(frozen=True)
class Subject:
    """A point of F/W+ and what its picture [1,3,SIDE,SIDE] shows.

    skin [COARSE,COARSE] and detail [FINE,FINE] weigh where the picture is to stay as it is.
    """

    point: Point
    head: State
    face: DifferentiableFace
    image: Tensor
    scores: dict[str, Tensor]
    identity: Tensor
    skin: Tensor
    detail: Tensor


class Lesson:
    """What the subjects are asked for when they move along a vector."""

    def __init__(self, space: Space, name: str):
        self.space, self.name, self.detector = space, name, FaceDetector()
        self.render = Renderer(space, best_execution(space.generator))
        prior = json.loads((RESULTS / "prior_scores.json").read_text(encoding="utf-8"))["scores"]
        self.spread = {score: prior[scorer]["std"] for score, scorer in SCORES.items()}
        coefficients = torch.tensor(age_identity.card()["coefficients"]).float()  # years a unit of the descriptor
        self.years = coefficients / prior["age_identity"]["std"]

    @torch.no_grad()
    def subject(self, point: Point) -> Subject | None:
        """None where no face is seen, one from the side, or one of an age that edits should not begin at."""
        image = at(self.space.generator.synthesize(self.space.decode(*point)).clamp(-1, 1), SIDE)
        seen = differentiable_face(image, self.detector)
        if seen is None or abs(seen.face.pose.yaw) > MOST_TURNED:
            return None
        points = torch.from_numpy(seen.face.face.landmarks).float() / SIDE
        scores = {score: getattr(seen, score)(image) for score in SCORES}
        if not AGES[0] <= scores["age"] <= AGES[1]:
            return None
        width, height = (points[16] - points[0]).norm(), (points[8] - points[27]).norm()
        outside = [ellipse(points[27], 0.75 * width, 1.15 * height, side) > 1 for side in (COARSE, FINE)]
        skin = ellipse(points[30], 0.45 * width, 0.8 * height, COARSE) < 1
        eyes = [ellipse(points[eye].mean(0), 0.13 * width, 0.08 * width, FINE) < 1 for eye in (LEFT_EYE, RIGHT_EYE)]
        head = self.space.head(point.code)
        return Subject(
            point,
            head,
            seen,
            image,
            scores,
            seen.identity(image),
            (skin | outside[0]).float(),
            outside[1] + EYES * (eyes[0] | eyes[1]),
        )

    def loss(self, one: Subject, vector: Tensor, strength: float) -> Tensor:
        """How far a picture is from what is asked of it."""
        image = self.moved(one, vector, strength)
        changes = {
            score: (getattr(one.face, score)(image) - one.scores[score]) / self.spread[score] for score in SCORES
        }
        before, after = getattr(one.face, self.name)(shaken(torch.cat([one.image, image])))
        changes[self.name] = (after - before) / self.spread[self.name]
        descriptor = (one.face.identity(image) - one.identity)[0]
        wrong = [(changes.pop(self.name) - strength) ** 2]
        if self.name == "age":
            along = descriptor @ self.years
            wrong.append((along - strength) ** 2)
            descriptor = descriptor - along * self.years / self.years.square().sum()
        still = IDENTITY * descriptor.square().sum() + OTHERS * sum(x.square().sum() for x in changes.values())
        detail, colour = (difference(image, one.image, *x) for x in ((one.detail, FINE), (one.skin, COARSE)))
        return torch.stack(wrong).sum() + still / strength**2 + (DETAIL * detail + COLOUR * colour) / abs(strength)

    def moved(self, one: Subject, vector: Tensor, strength: float) -> Tensor:
        """The picture [1,3,SIDE,SIDE] after an edit; the motion of F is taken as given."""
        code, state = with_code(self.space, one.point, one.point.code + strength * vector, "moved", one.head)
        return at(self.render(self.space.inputs(code), state), SIDE)

    @torch.no_grad()
    def scaled(self, photos: list[Subject], vector: Tensor) -> Tensor:
        """The vector whose unit moves the score of the photos by one deviation, median."""
        for _ in range(3):  # a longer way moves the score by less a unit
            moved = []
            for one in photos:
                less, more = (getattr(one.face, self.name)(self.moved(one, vector, x)) for x in (-1.0, 1.0))
                moved.append(float(more - less) / 2 / self.spread[self.name])
            vector = vector / float(np.median(moved))
        return vector

    def strength(self, one: Subject) -> float:
        """At random; the other way where a subject would leave the ages."""
        found = float(torch.empty(1).uniform_(*STRENGTHS)) * (1 if torch.rand(1) < 0.5 else -1)
        years = float(one.scores["age"]) + found * self.spread["age"]
        return found if self.name != "age" or AGES[0] <= years <= AGES[1] else -found


def shaken(images: Tensor) -> Tensor:
    """All images turned, scaled and moved a little, alike: no network is to be pleased by single pixels."""
    turn, scale = float(torch.empty(1).uniform_(-0.07, 0.07)), float(torch.empty(1).uniform_(0.94, 1.06))
    x, y = torch.empty(2).uniform_(-0.03, 0.03).tolist()
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    grid = F.affine_grid(
        torch.tensor([[[cosine, -sine, x], [sine, cosine, y]]]), [1, 3, *images.shape[2:]], align_corners=False
    )
    return F.grid_sample(
        images, grid.float().expand(len(images), -1, -1, -1), padding_mode="border", align_corners=False
    )


def ellipse(centre: Tensor, a: Tensor, b: Tensor, side: int) -> Tensor:
    """The square of the distance from a centre in units of the half axes, all in parts of the picture: [side,side]."""
    x = (torch.arange(side) + 0.5) / side
    return ((x[None] - centre[0]) / a) ** 2 + ((x[:, None] - centre[1]) / b) ** 2


def difference(a: Tensor, b: Tensor, where: Tensor, side: int) -> Tensor:
    """The mean over all cells of the absolute difference in some."""
    return ((at(a, side) - at(b, side)).abs().mean(1)[0] * where).mean()


def points(space: Space, latents: Path, samples: int) -> tuple[list[Point], list[Point]]:
    """Of photos, and of samples of the prior."""
    generator = space.generator
    photos = []
    for path in sorted(latents.glob("**/*.latent.safetensors")):
        latent = load_latent(path)
        photos.append(convert(space_of(generator, latent), latent.inverted, space)[0])
    w = torch.lerp(space.statistics.w_mean, sample_w(generator, samples, 77)[:, None], SAMPLES_PSI)
    codes = w.expand(-1, generator.num_codes, -1).contiguous().split(1)
    return photos, [Point(code, space.head(code)) for code in codes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SCORES)
    parser.add_argument("--latents", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--layers", type=int, nargs=2, default=(3, 9))
    parser.add_argument("--start", type=Path, help="by default the direction of that name that ships")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    torch.manual_seed(0)
    generator = load_generator("ffhq-mobile")
    space = make_space("f/w+", generator)
    lesson = Lesson(space, given.name)
    with torch.no_grad():
        photos, drawn = (
            [x for x in map(lesson.subject, found) if x] for found in points(space, given.latents, given.samples)
        )
    subjects = photos + drawn
    print(f"{len(photos)} photos and {len(drawn)} samples", flush=True)

    values, axes = torch.linalg.eigh(sample_w(generator, 8000).T.cov())
    root, inverse = (
        (axes * scale) @ axes.T for scale in (values.clamp(min=0).sqrt(), (values + 1e-3 * values.max()).rsqrt())
    )
    first, last = given.layers
    rows = torch.zeros(generator.num_codes, 1)
    rows[first:last] = 1
    start = load_direction(given.start) if given.start else directions_of(generator)[given.name]
    whitened = (start.vector.expand(generator.num_codes, -1) * rows @ inverse).requires_grad_()
    optimiser = torch.optim.Adam([whitened], lr=RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, given.steps)
    for step in range(given.steps):
        optimiser.zero_grad()
        chosen = [subjects[i] for i in torch.randint(len(subjects), (given.batch,)).tolist()]
        losses = []
        for one in chosen:
            loss = lesson.loss(one, rows * whitened @ root, lesson.strength(one))
            loss.backward()
            losses.append(float(loss))
        optimiser.step()
        schedule.step()
        if step % 20 == 19:
            print(step + 1, round(float(np.mean(losses)), 3), flush=True)

    vector = lesson.scaled(photos, rows * whitened.detach() @ root)
    vector = lesson.scaled(photos, (vector + rows * start.vector) / 2)
    card = {
        "method": "gradient", "attribute": SCORES[given.name], "photos": len(photos), "samples": len(drawn),
        "steps": given.steps, **{key: start.card[key] for key in ("score_mean", "score_std")},
        "unit": "one deviation on photos, median",
        "model": generator.name, "layers": [first, last],
    }  # fmt: skip
    save_direction(Direction(given.name, "w+", vector, start.belongs_to, card), given.out)


if __name__ == "__main__":
    main()
