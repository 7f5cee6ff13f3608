"""`zplus latent import` and `export`."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_file
from zplus.command.show import Show

latent = typer.Typer(help="Exchange latents with other programs.", no_args_is_help=True)


@latent.command("import")
def import_latent(
    codes: Annotated[Path, typer.Argument(help="W or W+ codes: .npy, .npz or .pt.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.")],
    model: options.Model = options.DEFAULT_MODEL,
    label: options.Label = None,
    as_json: options.Json = False,
) -> None:
    """Take over codes that another program found for the same generator."""
    output_file(out, codes, model, picture=False)

    from zplus.generators import MODELS, load_generator
    from zplus.generators.checkpoints.codes import read_codes
    from zplus.latent import save_latent
    from zplus.workflow.exchange import latent_of_codes
    from zplus.workflow.models import pull_missing

    show, rows = Show(as_json), read_codes(codes)
    pull_missing([model] if model in MODELS else [], show.callbacks)
    generator = load_generator(model, "cpu", label)
    found, notes = latent_of_codes(generator, rows, codes.name)
    for note in notes:
        show.warn(note)
    save_latent(found, out)
    facts = {"latent": out, "space": found.space, "model": generator.name, "rows": len(found)}
    show.result({**facts, "warnings": show.warnings}, f"{out}: {len(found)} in {found.space} of {generator.name}")


@latent.command("export")
def export_latent(
    source: Annotated[Path, typer.Argument(help="A latent of zplus.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npy, .npz or .pt file to write.")],
    model: options.OwnModel = None,
    label: options.Label = None,
    as_json: options.Json = False,
) -> None:
    """Write the W+ codes of a latent, [N, L, w], for other programs; a feature map cannot go along."""
    from zplus.generators.checkpoints.codes import SUFFIXES, write_codes

    output_file(out, source, model, picture=False, suffixes=SUFFIXES)

    from zplus.latent import load_latent
    from zplus.workflow.exchange import codes_of_latent
    from zplus.workflow.models import generator_of

    show, found = Show(as_json), load_latent(source)
    generator = generator_of(found, model, "cpu", label, show.callbacks)
    codes, notes = codes_of_latent(generator, found)
    for note in notes:
        show.warn(note)
    write_codes(codes, out)
    show.result({"codes": out, "shape": list(codes.shape), "warnings": show.warnings}, f"{out}: {tuple(codes.shape)}")
