"""`zplus convert`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_file
from zplus.command.show import Show, table


def convert(
    checkpoint: Annotated[Path, typer.Argument(help="A StyleGAN2 or 3 of any public format.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.")],
    half: Annotated[bool, typer.Option("--half", help="Write fp16: half the size, slightly rounded.")] = False,
    as_json: options.Json = False,
) -> None:
    """Convert a checkpoint of another program.

    NVIDIA's pickles of PyTorch and TensorFlow, rosinality's, e4e's and pSp's, genforce's: the format and every size are
    read from the file, and nothing in it is executed.
    """
    output_file(out, checkpoint, picture=False)

    from zplus.generators import save_generator
    from zplus.generators.checkpoints.read import read_checkpoint

    show = Show(as_json)
    with show.stage(f"Reading {checkpoint.name}"):
        generator, notes = read_checkpoint(checkpoint)
    for note in notes:
        show.warn(note)
    save_generator(generator, out, half)
    config = generator.config
    by_place = config.channels  # their side, of a StyleGAN3 their layer
    channels = by_place.items() if isinstance(by_place, Mapping) else enumerate(by_place)
    facts = {
        "model": generator.name, "architecture": generator.architecture, "resolution": generator.resolution,
        "z_dim": generator.z_dim, "w_dim": generator.w_dim, "codes": generator.num_codes,
        "labels": getattr(config, "c_dim", 0), "mapping_layers": config.mapping_layers,
        "channels": " ".join(f"{place}:{count}" for place, count in channels),
        "parameters": sum(x.numel() for x in generator.parameters()), "fingerprint": generator.fingerprint,
    }  # fmt: skip
    found = {"checkpoint": checkpoint, "converted": out, **facts, "warnings": show.warnings}
    show.result(found, f"{out}\n{table(('', ''), list(facts.items()))}")
