"""`zplus export`."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_file, output_folder
from zplus.command.show import Show


def export(
    context: options.Context,
    model: Annotated[str, typer.Argument(help="A model by name or the file of a generator.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .pt file to write; for onnx a folder.")],
    kind: Annotated[str, typer.Option("--format", help="nvidia (also as .safetensors), rosinality, genforce, onnx.")],
    label: options.Label = None,
    layer: options.Layer = None,
    opset: Annotated[int, typer.Option("--opset", help="Version of ONNX's operators.")] = 18,
    as_json: options.Json = False,
) -> None:
    """Write a generator for another program."""
    from zplus.generators import MODELS, load_generator
    from zplus.generators.checkpoints.export import suffixes
    from zplus.workflow.exchange import export_generator
    from zplus.workflow.models import pull_missing

    if kind == "onnx":
        output_folder(out)
    else:
        options.refuse(context, "they are for onnx", "layer", "opset")
        output_file(out, model, picture=False, suffixes=suffixes(kind))
    show = Show(as_json)
    pull_missing([model] if model in MODELS else [], show.callbacks)
    generator = load_generator(model, "cpu", label)
    with show.stage(f"Exporting {generator.name}"):
        files = export_generator(generator, out, kind, layer, opset)
    found = {"model": generator.name, "format": kind, "files": files, "warnings": show.warnings}
    show.result(found, "\n".join(str(path) for path in files))
