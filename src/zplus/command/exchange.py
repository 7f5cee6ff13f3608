"""The commands `latent import` and `latent export`: codes of other programs."""

from pathlib import Path

from zplus.command.outputs import output_file
from zplus.command.pulling import generator_of, pull_missing
from zplus.command.show import Show
from zplus.errors import LatentError
from zplus.generators import MODELS, load_generator
from zplus.generators.checkpoints.codes import read_codes, write_codes
from zplus.latent import Point, load_latent, save_latent
from zplus.spaces import latent_of, make_space, shown, space_of
from zplus.spaces.conversion import convert_code


def import_codes(path: Path, out: Path, model: str, label: int | None, show: Show) -> None:
    """W codes [.., w] or W+ codes [.., L, w] as a latent; more rows than the generator has codes are cut off."""
    output_file(out, path, model, picture=False)
    codes = read_codes(path)
    pull_missing([model] if model in MODELS else [], show)
    generator = load_generator(model, "cpu", label)
    rows, width = codes.shape[1:]
    if width != generator.w_dim or (1 < rows < generator.num_codes):
        raise LatentError(
            f"{path} holds {rows} codes of {width} numbers, but {generator.name} takes {generator.num_codes} of "
            f"{generator.w_dim}."
        )
    if rows > generator.num_codes:
        show.warn(f"{generator.name} takes {generator.num_codes} codes: the first of {rows} were taken.")
    space = make_space("w" if rows == 1 else "w+", generator)
    latent = latent_of(space, Point(codes[:, : space.shape[0]].contiguous()), settings={"imported_from": path.name})
    save_latent(latent, out)
    facts = {"latent": out, "space": space.name, "model": generator.name, "rows": len(latent)}
    show.result({**facts, "warnings": show.warnings}, f"{out}: {len(latent)} in {space.name} of {generator.name}")


def export_codes(path: Path, out: Path, model: str | None, label: int | None, show: Show) -> None:
    """The W+ codes of a latent; those of its edit if it has one."""
    latent = load_latent(path)
    generator = generator_of(latent, model, "cpu", label, show)
    space = space_of(generator, latent)
    if not space.within_w:
        show.warn("Styles have no exact codes in W+: the nearest are written.")
    if latent.offsets or latent.added:
        show.warn("Tuned weights (PTI) and added maps (SAM) stay behind: the codes alone show another picture.")
    if space.layer is not None:
        show.warn(f"The feature map of {space.name} stays behind: the codes alone show less of the photo.")
    where, point = shown(generator, latent)
    codes = convert_code(where, point.code, make_space("w+", generator))
    write_codes(codes, out)
    show.result({"codes": out, "shape": list(codes.shape), "warnings": show.warnings}, f"{out}: {tuple(codes.shape)}")
