"""Likeness: a short correction after an edit that restores the person and keeps the edit.

A few steps of gradient descent find a direction of W+ for one edited latent. The face descriptor moves towards that of
the face before its edits, while age, gender, smile and coarse colours of the edited face are held. The direction is one
more edit: it adds up with the others, is stored in the latent's file and can be undone.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.direction import CORRECTION, Direction
from zplus.editing.editor import edit
from zplus.editing.warping import with_code
from zplus.errors import FaceError, ZplusError
from zplus.execution import EAGER, Execution, Renderer
from zplus.faces.detector import FaceDetector
from zplus.generators import Generator, statistics
from zplus.latent import Latent, Point
from zplus.perception import age_identity
from zplus.perception.differentiable import DifferentiableFace, differentiable_face
from zplus.perception.lpips import at
from zplus.spaces import convert, space_of
from zplus.spaces.rendering import edited_space, masked

STEPS = 8
STRIDE = 0.8  # length of the first step in deviations of w over the prior; the others shrink evenly
SEEN, COARSE = 256, 32  # pixels at which faces are seen, and colours compared
TINTS = 16  # codes of layers beyond 1/16 of the picture's side stay: they change colours alone
IDENTITY, COLOUR, LENGTH = 4.0, 100.0, 0.02  # weights
SPREADS = {"age": 15.4, "gender": 11.3, "smile": 4.2, "age_identity": 10.7}  # deviations over the prior of ffhq-mobile


def keep_identity(
    generator: Generator,
    latent: Latent,
    steps: int = STEPS,
    execution: Execution = EAGER,
    tick: Callable[[int], None] = lambda done: None,
) -> Latent:
    """The edited latent with one more edit, "likeness", which moves its face towards the face before its edits.

    An earlier likeness is replaced.

    Args:
        generator: The generator of the latent.
        latent: One row, edited straight, in a space with one code per layer (z+, w+, s, with F or without).
        steps: Of gradient descent, about a second each on 2 cores.
        execution: How the networks run.
        tick: Is given the number of steps done.

    Raises:
        ZplusError: The latent is of another kind.
        FaceError: There is no face in the image before or after the edits.
        DownloadError: A network has not been pulled.
    """
    plain = edit(generator, latent, {x.direction: -x.strength for x in latent.edits if x.direction.corrects})
    one_edited = len(plain) == 1 and plain.edited is not None and not plain.added
    if not (one_edited and plain.move == "straight" and space_of(generator, plain).extended):
        raise ZplusError("Likeness is for one face that was edited straight in z+, w+ or s, with F or without.")
    vector = _descend(generator, _Correction(generator, plain, execution), steps, tick)
    card = {"method": CORRECTION, "edits": {one.direction.name: one.strength for one in plain.edits}}
    direction = Direction(CORRECTION, "w+", vector.cpu(), generator.mapping_fingerprint, card)
    return edit(generator, plain, {direction: 1.0})


def _descend(
    generator: Generator, correction: "_Correction", steps: int, tick: Callable[[int], None]
) -> Float[Tensor, "l w"]:
    """The vector of W+ that lowers the loss, found in deviations of w."""
    values, axes = torch.linalg.eigh(statistics(generator).w_cov)
    deviations, rows = (axes * values.clamp(min=0).sqrt()) @ axes.T, _rows(generator)
    x = torch.zeros(1, generator.num_codes, generator.w_dim, device=generator.device, requires_grad=True)
    for step in range(steps):
        loss = correction.loss(rows * x @ deviations) + LENGTH * x.square().sum()
        (slope,) = torch.autograd.grad(loss, x)
        with torch.no_grad():
            x -= STRIDE * (1 - step / steps) * slope / slope.norm().clamp(min=1e-12)
        tick(step + 1)
    return (rows * x.detach() @ deviations)[0]


def _rows(generator: Generator) -> Float[Tensor, "l 1"]:
    """1 for the codes that may move; 0 for those that only change colours."""
    coarse = [layer.code for layer in generator.layers if layer.resolution * TINTS <= generator.resolution]
    rows = torch.zeros(generator.num_codes, 1, device=generator.device)
    rows[: max(coarse, default=generator.num_codes - 1) + 1] = 1
    return rows


class _Correction:
    """The images of a latent before and after its edits, and the loss of a further movement."""

    def __init__(self, generator: Generator, latent: Latent, execution: Execution):
        assert latent.edited is not None
        self.latent, original = latent, space_of(generator, latent)
        self.space = edited_space(original, latent)
        self.render = Renderer(self.space, execution)
        before, edited = (x.contiguous_copy(generator.device) for x in (latent.inverted, latent.edited))
        self.start, self.code = convert(original, before, self.space)[0], edited.code
        self.head = None if self.space.layer is None else self.space.head(self.start.code)
        card = torch.tensor(age_identity.card()["coefficients"], device=generator.device)
        self.years = card.float()  # of a unit of the descriptor
        detector = FaceDetector()
        with torch.no_grad():
            self.photo = self._picture(self.start)
            self.edited = masked(latent, self._picture(edited), lambda: self.photo)
            self.identity = _face(self.photo, detector).identity(self.photo)
            self.face = _face(self.edited, detector)
            self.scores = self._scores(self.edited, self.face.identity(self.edited))

    def loss(self, vector: Float[Tensor, "1 l w"]) -> Tensor:
        """The loss of the edited code moved along a vector of W+."""
        code = self.space.move(self.code, self.space.tangent_along(self.code, vector))
        point = with_code(self.space, self.start, code, self.latent.feature, self.head)
        picture = masked(self.latent, self._picture(point), lambda: self.photo)
        descriptor = self.face.identity(picture)
        found = self._scores(picture, descriptor)
        changed = sum(((found[name] - self.scores[name]) / spread).square().sum() for name, spread in SPREADS.items())
        colours = (at(picture, COARSE) - at(self.edited, COARSE)).square().mean()
        return IDENTITY * (descriptor - self.identity).square().sum() + changed + COLOUR * colours

    def _picture(self, point: Point) -> Float[Tensor, "1 3 s s"]:
        image = self.render(self.space.inputs(point.code), point.state).clamp(-1, 1)
        return at(image, min(SEEN, image.shape[-1]))

    def _scores(self, picture: Tensor, descriptor: Tensor) -> dict[str, Tensor]:
        """The scores that are held; age by two scorers, because a part of the descriptor predicts it."""
        own = {name: getattr(self.face, name)(picture) for name in ("age", "gender", "smile")}
        return own | {"age_identity": descriptor @ self.years}


def _face(picture: Float[Tensor, "1 3 s s"], detector: FaceDetector) -> DifferentiableFace:
    face = differentiable_face(picture, detector)
    if face is None:
        raise FaceError("No face is seen in the picture before or after the edit, so nobody can be kept alike.")
    return face
