"""Training of a generator from pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from zplus.errors import ZplusError
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.generators.memory import keep_freed_memory
from zplus.training.data import Pictures, Pixels
from zplus.training.discriminator import read_discriminator
from zplus.training.loop import Report, check_shared, run
from zplus.training.settings import TrainSettings
from zplus.training.stream import StreamedPictures, batches
from zplus.training.trainer import Trainer


def train(
    settings: TrainSettings,
    data: Pictures | StreamedPictures,
    folder: Path,
    report: Report = lambda done, note: None,
    cpu: bool = False,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train in a folder that exists, going on from its last snapshot; the last line of the log.

    start: the folder of another run, whose networks a run without a snapshot begins with (transfer learning). It runs
    on the device that Accelerate finds, or on the `cpu`. Where weights are no longer finite it raises DivergedError and
    leaves the last snapshot as it is.
    """
    keep_freed_memory()
    accelerator = Accelerator(cpu=cpu, mixed_precision="bf16" if settings.precision == "bfloat16" else "no")
    _check(settings, data, accelerator.num_processes)
    trainer = Trainer(settings, accelerator, folder.resolve().name)

    def shown(steps: range) -> Iterator[Pixels]:
        share = accelerator.process_index, accelerator.num_processes
        return batches(data, settings.seed, settings.batch, steps, *share)

    def begin() -> None:
        if start is not None:
            generator, _ = read_checkpoint(start / "generator.safetensors")
            trainer.begin_with(generator, read_discriminator(start / "discriminator.safetensors"))

    return run(trainer, data.fingerprint, shown, folder, report, begin)


def _check(settings: TrainSettings, data: Pictures | StreamedPictures, processes: int) -> None:
    if data.resolution != settings.resolution:
        raise ZplusError(f"The pictures have {data.resolution} px, expected {settings.resolution}: read them anew.")
    check_shared(settings.batch, processes)
