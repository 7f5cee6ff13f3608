"""A latent that is edited along directions, at every strength, and the strength whose change is nearest to a goal."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from zplus.benchmark.conditions import Condition, Way, norm_kept
from zplus.benchmark.samples import Images
from zplus.benchmark.scorers import Readings, Scorer
from zplus.direction import Direction
from zplus.editing import Editor
from zplus.editing.warping import with_code
from zplus.errors import LatentError
from zplus.execution import Execution
from zplus.generators import Generator
from zplus.latent import Latent

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)  # deviations, tried for every picture
NEAR = 0.25  # of the wanted change: nearer than this, it was reached


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


class StrengthSweep:
    """The images of a batch at every strength of a direction, and the change that the matching scorer measures.

    side: to which all rows move, 1 or -1.
    """

    def __init__(
        self,
        edited: Edited,
        reconstruction: Images,
        direction: Direction,
        side: int,
        start: Readings,
        matching: Scorer,
    ):
        self.side, self.strengths = side, [side * strength or 0.0 for strength in STRENGTHS]  # without -0.0
        tried = [(reconstruction, [True] * len(reconstruction))]  # at 0
        tried += [edited.image(direction, strength) for strength in self.strengths[1:]]
        self.images = torch.stack([images for images, _ in tried])  # [S, N, 3, R, R]
        self.followed = np.array([followed for _, followed in tried])  # [S, N]
        readings = [start, *map(matching.read, self.images[1:])]
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
            "strength": [self.strengths[s] for s in best], "wanted": goal, "change": change,
            "reached": self.followed[best, rows] & (np.abs(change - goal) <= NEAR * np.abs(goal)),
        }  # fmt: skip
        return self.images[best, rows], told | ({"off_target": np.mean(others, 0)} if others else {})
