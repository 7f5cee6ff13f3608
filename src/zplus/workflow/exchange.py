"""Codes of other programs to latents, and back; generators for other programs."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.generators import Generator
from zplus.generators.checkpoints.export import write_state_dict
from zplus.generators.onnx_files import MIN_OPSET, write_onnx
from zplus.latent import Latent, Point
from zplus.spaces import latent_of, make_space, shown, space_of
from zplus.spaces.conversion import convert_code
from zplus.spaces.registry import default_layer
from zplus.spaces.rendering import edit_mask


def latent_of_codes(generator: Generator, codes: Float[Tensor, "n k w"], source: str) -> tuple[Latent, list[str]]:
    """Make a latent of W codes (K = 1) or W+ codes.

    Args:
        generator: The generator that the codes were found for.
        codes: The codes. Of more rows than the generator has codes, the first are taken.
        source: The name of their file.

    Returns:
        The latent, and warnings.

    Raises:
        LatentError: The codes do not fit the generator.
    """
    rows, width = codes.shape[1:]
    if width != generator.w_dim or (1 < rows < generator.num_codes):
        raise LatentError(
            f"{source} holds {rows} codes of {width} numbers, but {generator.name} takes {generator.num_codes} of "
            f"{generator.w_dim}."
        )
    notes = []
    if rows > generator.num_codes:
        notes.append(f"{generator.name} takes {generator.num_codes} codes: the first of {rows} were taken.")
    space = make_space("w" if rows == 1 else "w+", generator)
    point = Point(codes[:, : space.shape[0]].contiguous())
    return latent_of(space, point, settings={"imported_from": source}), notes


def codes_of_latent(generator: Generator, latent: Latent) -> tuple[Float[Tensor, "n l w"], list[str]]:
    """The W+ codes of a latent, after its edits, and warnings about what they leave out."""
    space, notes = space_of(generator, latent), []
    if not space.within_w:
        notes.append("Styles have no exact codes in W+: the nearest are written.")
    if latent.offsets or latent.added:
        notes.append("Tuned weights (PTI) and added maps (SAM) stay behind: the codes alone show another picture.")
    if latent.edits and edit_mask(latent) is not None:
        notes.append("The mask of the edits stays behind: the codes show them everywhere.")
    if space.layer is not None:
        notes.append(f"The feature map of {space.name} stays behind: the codes alone show less of the photo.")
    where, point = shown(generator, latent)
    return convert_code(where, point.code, make_space("w+", generator)), notes


def export_generator(
    generator: Generator, out: str | Path, kind: str, layer: str | None = None, opset: int = MIN_OPSET
) -> list[Path]:
    """Write a generator for another program (docs/models.md).

    Args:
        generator: A StyleGAN2; for "onnx" a MobileStyleGAN too.
        out: A folder for "onnx", which is made if missing; a .pt file for the others, for "nvidia" also .safetensors.
        kind: "nvidia", "rosinality", "genforce" or "onnx".
        layer: For "onnx", where F sits: "32" or "b32.conv1"; None for that of F/Z+.
        opset: For "onnx", the version of the operators.

    Returns:
        The files that were written.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        ZplusError: The format cannot hold the generator.
    """
    if kind == "onnx":
        index = generator.layer(layer) if layer else default_layer(generator)
        return write_onnx(generator, Path(out), index, opset)
    write_state_dict(generator, Path(out), kind)
    return [Path(out)]
