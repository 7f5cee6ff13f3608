"""What `zplus latent` understands."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.options import DEFAULT_MODEL
from zplus.command.show import Show

latent = typer.Typer(help="Exchange latents with other programs.", no_args_is_help=True)


@latent.command("import")
def import_latent(
    codes: Annotated[Path, typer.Argument(help="W or W+ codes: .npy, .npz or .pt.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.")],
    model: options.Model = DEFAULT_MODEL,
    label: options.Label = None,
    as_json: options.Json = False,
) -> None:
    """Take over codes that another program found for the same generator."""
    from zplus.command.exchange import import_codes

    import_codes(codes, out, model, label, Show(as_json))


@latent.command("export")
def export_latent(
    source: Annotated[Path, typer.Argument(help="A latent of zplus.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npy, .npz or .pt file to write.")],
    model: options.OwnModel = None,
    label: options.Label = None,
    as_json: options.Json = False,
) -> None:
    """Write the W+ codes of a latent, [N, L, w], for other programs; a feature map cannot go along."""
    from zplus.command.exchange import export_codes

    export_codes(source, out, model, label, Show(as_json))
