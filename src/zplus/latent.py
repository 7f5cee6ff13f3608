"""A latent: an immutable point of a space of one generator, with the edits made to it. The data and its file."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zplus.direction import Direction
from zplus.errors import LatentError
from zplus.files import atomic

VERSION = "1"


class Point(NamedTuple):
    """A code [N,K,D] and, in the F/X spaces, the state after a layer: features [N,C,r,r] and RGB [N,3,r',r'] or None."""

    code: Tensor
    features: Tensor | None = None
    rgb: Tensor | None = None

    def rows(self, rows: slice) -> "Point":
        """Some of the N rows."""
        return Point(*(None if x is None else x[rows] for x in self))


class Edit(NamedTuple):
    """One direction at a strength, in standard deviations of its attribute, for codes first..last-1 (None: all)."""

    direction: Direction
    strength: float
    layers: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Latent:
    """N points of a space. Edits are a set applied jointly to `inverted`; `edited` is what they gave, kept as tensors.

    layer names where F sits ("b32.conv1") and is None without F; psi and cutoff are the truncation (of the first
    `cutoff` codes, None for all), noise the mode of the noise; fingerprint and mapping_fingerprint name the generator.
    mode says how it was computed, settings with which options, figures how well (one value a row).
    """

    space: str
    inverted: Point
    generator: str
    fingerprint: str
    mapping_fingerprint: str
    layer: str | None = None
    psi: float = 1.0
    cutoff: int | None = None
    noise: str = "const"
    edited: Point | None = None
    edits: tuple[Edit, ...] = ()
    feature: str = "moved"
    mode: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def point(self) -> Point:
        """The point to render: the edited one, or the inverted one while there is no edit."""
        return self.edited or self.inverted

    def __len__(self) -> int:
        return self.inverted.code.shape[0]

    def __getitem__(self, row: int) -> "Latent":
        """Row `row` as a latent of its own."""
        row = range(len(self))[row]
        rows = slice(row, row + 1)
        return replace(
            self,
            inverted=self.inverted.rows(rows),
            edited=self.edited and self.edited.rows(rows),
            figures={name: values[rows] for name, values in self.figures.items()},
        )


def save_latent(latent: Latent, path: str | Path) -> None:
    """Write a latent to one safetensors file (docs/latent-format.md), tensors in fp32."""
    tensors = {}
    for prefix, point in (("inverted", latent.inverted), ("edited", latent.edited)):
        if point is not None:
            tensors |= {f"{prefix}.{name}": x for name, x in point._asdict().items() if x is not None}
    tensors |= {f"edit.{i}": edit.direction.vector for i, edit in enumerate(latent.edits)}
    plain = ("space", "generator", "fingerprint", "mapping_fingerprint", "layer", "psi", "cutoff", "noise", "feature")
    header = {name: getattr(latent, name) for name in (*plain, "mode", "settings", "figures")}
    header["edits"] = [_describe(edit) for edit in latent.edits]
    metadata = {"zplus": "latent", "version": VERSION, "latent": json.dumps(header)}
    with atomic(Path(path)) as temporary:
        save_file({name: x.detach().float().cpu().contiguous() for name, x in tensors.items()}, temporary, metadata)


def load_latent(path: str | Path) -> Latent:
    """Read a latent that `save_latent` wrote. Raises LatentError for anything else."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("zplus") != "latent":
                raise LatentError(f"{path} is a safetensors file, but not a latent of zplus.")
            if metadata.get("version") != VERSION:
                raise LatentError(f"{path} was written by another version of zplus: update it with pip.")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata["latent"])
        header["edits"] = tuple(_edit(text, tensors[f"edit.{i}"]) for i, text in enumerate(header["edits"]))
        points = {prefix: _point(prefix, tensors) for prefix in ("inverted", "edited")}
        latent = Latent(**header, **points)
    except FileNotFoundError:
        raise LatentError(f"There is no file {path}.") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise LatentError(f"{path} is damaged or not a latent ({error}): invert the photo again.") from None
    if not all(torch.isfinite(x).all() for x in tensors.values()) or latent.inverted is None:
        raise LatentError(f"{path} holds values that are not numbers: invert the photo again.")
    return latent


def _point(prefix: str, tensors: dict[str, Tensor]) -> Point | None:
    parts = [tensors.get(f"{prefix}.{name}") for name in Point._fields]
    return None if parts[0] is None else Point(*parts)


def _describe(edit: Edit) -> dict[str, Any]:
    direction = {name: value for name, value in vars(edit.direction).items() if name != "vector"}
    return {"direction": direction, "strength": edit.strength, "layers": edit.layers}


def _edit(text: dict[str, Any], vector: Tensor) -> Edit:
    layers = text["layers"]
    return Edit(Direction(vector=vector, **text["direction"]), text["strength"], layers and tuple(layers))
