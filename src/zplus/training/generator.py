"""The run that trains a generator, on one device or several, such that it can be killed.

A run that was killed goes on from its last snapshot and, on a CPU, ends with the same bits as one that was not.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from zplus.errors import DivergedError, ZplusError
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.generators.memory import keep_freed_memory
from zplus.training.data import Pictures
from zplus.training.discriminator import read_discriminator
from zplus.training.publish import Log, publish
from zplus.training.settings import TrainSettings
from zplus.training.snapshot import load_snapshot, read_facts, save_snapshot
from zplus.training.trainer import Trainer

FREE = ("kimg", "snapshot_minutes", "learning_rate", "r1_gamma")  # settings that may change when a run goes on

Report = Callable[[int, str], None]  # how many steps are done, and what there is to say about it


def train(
    settings: TrainSettings,
    data: Pictures,
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
    half = settings.precision == "bfloat16"
    accelerator = Accelerator(cpu=cpu, mixed_precision="bf16" if half else "no")
    _check(settings, data, accelerator.num_processes)
    trainer, path = Trainer(settings, accelerator, folder.name), folder / "snapshot.safetensors"
    asked: dict[str, Any] = {"settings": asdict(settings), "data": data.fingerprint}
    first, log = 0, Log()
    if (facts := read_facts(path)) is not None:
        _check_same(facts, asked, folder)
        load_snapshot(path, trainer.networks, trainer.optimizers)
        first, log = facts["step"], Log(facts["log"])
    elif start is not None:
        generator, _ = read_checkpoint(start / "generator.safetensors")
        trainer.begin_with(generator, read_discriminator(start / "discriminator.safetensors"))
    for step in range(first, settings.steps):
        rows = data.batch(settings.seed, step, settings.batch)[accelerator.process_index :: accelerator.num_processes]
        log.add(trainer.step(rows, step), settings.batch)
        done = step + 1
        report(done, log.speed)
        if done < settings.steps and log.minutes < settings.snapshot_minutes:
            continue
        _check_finite(trainer)
        log.close(done * settings.batch / 1000)
        if accelerator.is_main_process:
            publish(folder, trainer, log.lines)
            save_snapshot(path, trainer.networks, trainer.optimizers, asked | {"step": done, "log": log.lines})
    return log.lines[-1]


def _check(settings: TrainSettings, data: Pictures, processes: int) -> None:
    if data.resolution != settings.resolution:
        raise ZplusError(f"The pictures have {data.resolution} px, expected {settings.resolution}: read them anew.")
    if settings.batch % processes:
        raise ZplusError(f"A batch of {settings.batch} cannot be shared by {processes} devices: choose a multiple.")
    if settings.steps < 1:
        raise ZplusError(f"{settings.kimg:g} thousand pictures are less than a batch: train for longer.")


def _check_same(facts: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """What was begun can only go on as it was begun."""
    old, new = facts["settings"], asked["settings"]
    changed = [name for name in new if name not in FREE and old.get(name) != new[name]]
    changed += ["data"] if facts["data"] != asked["data"] else []
    if changed:
        raise ZplusError(
            f"{folder} holds a run with another {', '.join(changed)}: set that as before or use a new folder."
        )


def _check_finite(trainer: Trainer) -> None:
    for name, network in trainer.networks.items():
        if not all(torch.isfinite(x).all() for x in network.state_dict().values()):
            raise DivergedError(f"The {name} holds values that are not numbers: train with a lower learning rate.")
