"""Glasses with clear lenses on the same person, learnt from the boundary of `eyeglasses.py` by gradient.

    python benchmarks/learn_glasses.py BOUNDARY -o FILE [--steps 80] [--layers 0 6]

BOUNDARY also makes faces older and lenses dark, and moves colours by its later layers. Here samples of the prior put
glasses on by it, on the first layers alone, and a correction of these layers is asked that the eyes keep their
brightness, the identity descriptor stays and so does the age. The correction is orthogonal to the boundary's normal in
every layer, so that the glasses stay. The mean of the boundary on these layers and the corrected vector is kept: the
corrected one alone hides the glasses of some people.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from learn_direction import ellipse
from zplus.direction import load_direction, save_direction
from zplus.faces.align import LEFT_EYE, RIGHT_EYE
from zplus.faces.detector import FaceDetector
from zplus.generators import load_generator, statistics
from zplus.perception.differentiable import DifferentiableFace, differentiable_face
from zplus.perception.lpips import at
from zplus.spaces import Space, make_space

SIDE = 256  # pixels at which faces are seen
SAMPLES, BATCH, RATE = 40, 2, 0.008
STRENGTHS = (1.0, 1.5)
IDENTITY, EYES, AGE, LENGTH = 5.0, 20.0, 0.3, 0.01  # weights
YEARS = 15.4  # a deviation of age over the prior
UNIT = 1.2  # lengths of the mean of both: by eye, clear glasses are on everyone at 1.5


@dataclass(frozen=True)
class Subject:
    """A code of W+, and what is to stay of its picture."""

    code: Tensor
    face: DifferentiableFace
    eyes: Tensor  # [SIDE, SIDE], 1 within
    brightness: Tensor
    identity: Tensor
    age: Tensor

    def loss(self, picture: Tensor) -> Tensor:
        dark = self.brightness - brightness(picture, self.eyes)
        person = (self.face.identity(picture) - self.identity).square().sum()
        years = (self.face.age(picture) - self.age) / YEARS
        return EYES * dark.square() + IDENTITY * person + AGE * years.square().sum()


def brightness(picture: Tensor, where: Tensor) -> Tensor:
    """The mean of a picture [1,3,SIDE,SIDE] where a mask [SIDE,SIDE] is 1."""
    return (picture.mean(1)[0] * where).sum() / where.sum()


def pictured(space: Space, code: Tensor) -> Tensor:
    return at(space.generator.synthesize(space.inputs(code)).clamp(-1, 1), SIDE)


@torch.no_grad()
def subject(space: Space, code: Tensor, detector: FaceDetector) -> Subject | None:
    """None where no face is seen."""
    picture = pictured(space, code)
    face = differentiable_face(picture, detector)
    if face is None:
        return None
    points = torch.from_numpy(face.face.face.landmarks).float() / SIDE
    width = (points[16] - points[0]).norm()
    near = [ellipse(points[eye].mean(0), 0.15 * width, 0.09 * width, SIDE) < 1 for eye in (LEFT_EYE, RIGHT_EYE)]
    eyes = (near[0] | near[1]).float()
    return Subject(code, face, eyes, brightness(picture, eyes), face.identity(picture), face.age(picture))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boundary", type=Path)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--layers", type=int, nargs=2, default=(0, 6))
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    torch.manual_seed(0)
    generator, detector = load_generator("ffhq-mobile"), FaceDetector()
    space, boundary = make_space("w+", generator), load_direction(given.boundary)
    found = (subject(space, code, detector) for code in space.broadcast_sample(2 * SAMPLES, seed=11).split(1))
    subjects = [one for one in found if one][:SAMPLES]

    first, last = given.layers
    rows = torch.zeros(generator.num_codes, 1)
    rows[first:last] = 1
    start, normal = rows * boundary.vector, boundary.vector[0] / boundary.vector.norm()
    values, axes = torch.linalg.eigh(statistics(generator).w_cov)
    deviations = (axes * values.clamp(min=0).sqrt()) @ axes.T
    x = torch.zeros(generator.num_codes, generator.w_dim, requires_grad=True)
    optimiser = torch.optim.Adam([x], lr=RATE)

    def correction() -> Tensor:
        moved = rows * (x @ deviations)
        return moved - (moved @ normal)[:, None] * normal

    losses = []
    for step in range(given.steps):
        chosen = [subjects[i] for i in torch.randint(len(subjects), (BATCH,)).tolist()]
        strengths = torch.empty(BATCH).uniform_(*STRENGTHS).tolist()
        vector = start + correction()
        pictures = [pictured(space, one.code + s * vector) for one, s in zip(chosen, strengths, strict=True)]
        wrong = [one.loss(picture) for one, picture in zip(chosen, pictures, strict=True)]
        loss = torch.stack(wrong).mean() + LENGTH * x.square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
        if step % 10 == 9:
            print(step + 1, round(float(np.mean(losses[-10:])), 3), flush=True)

    kept = {key: boundary.card[key] for key in ("attribute", "samples", "score_mean", "score_std", "model")}
    card = kept | {"method": "gradient", "layers": [first, last], "steps": given.steps, "unit": "by eye"}
    vector = UNIT * (start + correction().detach() / 2)
    save_direction(replace(boundary, space="w+", vector=vector, card=card), given.out)


if __name__ == "__main__":
    main()
