"""The command `convert`: a foreign checkpoint becomes our own, with what was found said aloud."""

from pathlib import Path

from zplus.command.outputs import output_file
from zplus.command.show import Show, table
from zplus.generators import save_generator
from zplus.generators.checkpoints.read import read_checkpoint


def convert_checkpoint(path: Path, out: Path, half: bool, show: Show) -> None:
    """Read a checkpoint, tell what it is, and write it as safetensors."""
    output_file(out, path, picture=False)
    with show.stage(f"Reading {path.name}"):
        generator, notes = read_checkpoint(path)
    for note in notes:
        show.warn(note)
    save_generator(generator, out, half)
    config = generator.config
    facts = {
        "model": generator.name, "architecture": generator.architecture, "resolution": generator.resolution,
        "z_dim": generator.z_dim, "w_dim": generator.w_dim, "codes": generator.num_codes,
        "labels": getattr(config, "c_dim", 0), "mapping_layers": config.mapping_layers,
        "channels": " ".join(f"{side}:{count}" for side, count in config.channels.items()),
        "parameters": sum(x.numel() for x in generator.parameters()), "fingerprint": generator.fingerprint,
    }  # fmt: skip
    found = {"checkpoint": path, "converted": out, **facts, "warnings": show.warnings}
    show.result(found, f"{out}\n{table(('', ''), list(facts.items()))}")
