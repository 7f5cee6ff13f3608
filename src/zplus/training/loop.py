"""The loop of every training run: steps, a log, snapshots, and going on from the last of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Adam

from zplus.errors import DivergedError, ZplusError
from zplus.training.log import Log
from zplus.training.snapshot import Networks, load_snapshot, read_facts, save_snapshot

FREE = ("kimg", "steps", "snapshot_minutes", "learning_rate", "r1_gamma")  # settings that may change when it goes on
LINES = 5000  # of the log in a snapshot, whose header holds 4 MB: with one every ten minutes, those of a month

Report = Callable[[int, str], None]  # how many steps are done, and what there is to say about it


@runtime_checkable
class Trainer(Protocol):
    """What learns: its networks, their optimisers, and one step."""

    settings: Any
    accelerator: Accelerator
    networks: dict[str, nn.Module]
    optimizers: dict[str, Adam]

    def step(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Learn from the batch of this process; what was measured, by name."""
        ...

    def publish(self, folder: Path, lines: list[dict[str, Any]]) -> None:
        """Write what a person or a program wants of the networks as they are."""
        ...


def run(
    trainer: Trainer,
    data: str,
    batches: Callable[[range], Iterable[Any]],
    folder: Path,
    report: Report = lambda done, note: None,
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train in a folder that exists, going on from its last snapshot; the last line of the log.

    data: what names the data. batches: what this process learns from in each of some steps. begin: called where there
    is no snapshot.
    Where weights are no longer finite it raises DivergedError and leaves the last snapshot as it is.
    """
    settings, path = trainer.settings, folder / "snapshot.safetensors"
    asked: dict[str, Any] = {"settings": asdict(settings), "data": data}
    first, log = 0, Log()
    if (facts := read_facts(path)) is not None:
        _check_same(facts, asked, folder)
        load_snapshot(path, trainer.networks, trainer.optimizers)
        first, log = facts["step"], Log(facts["log"])
    else:
        begin()
    steps = range(first, settings.steps)
    for step, batch in zip(steps, batches(steps), strict=True):
        log.add(trainer.step(batch, step), settings.batch)
        done = step + 1
        report(done, log.speed)
        if done < settings.steps and log.minutes < settings.snapshot_minutes:
            continue
        _check_finite(trainer.networks)
        log.close(done * settings.batch / 1000)
        if trainer.accelerator.is_main_process:
            trainer.publish(folder, log.lines)
            log.write(folder)
            facts = asked | {"step": done, "log": log.lines[-LINES:]}
            save_snapshot(path, trainer.networks, trainer.optimizers, facts)
    return log.lines[-1]


def descend(accelerator: Accelerator, optimizer: Adam, loss: Tensor) -> None:
    """One step of an optimiser, by the mean of the gradients of all processes."""
    optimizer.zero_grad()
    loss.backward()
    slopes = [x.grad for group in optimizer.param_groups for x in group["params"] if x.grad is not None]
    if accelerator.num_processes > 1:
        mean = accelerator.reduce(torch.cat([x.flatten() for x in slopes]), "mean")
        for slope, part in zip(slopes, mean.split([x.numel() for x in slopes]), strict=True):
            slope.copy_(part.view_as(slope))
    optimizer.step()


def check_shared(batch: int, processes: int) -> None:
    """Refuse a batch that the devices cannot share."""
    if batch % processes:
        raise ZplusError(f"A batch of {batch} cannot be shared by {processes} devices: choose a multiple.")


def _check_same(facts: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """What was begun can only go on as it was begun."""
    old, new = facts["settings"], asked["settings"]
    changed = [name for name in new if name not in FREE and old.get(name) != new[name]]
    changed += ["data"] if facts["data"] != asked["data"] else []
    if changed:
        raise ZplusError(
            f"{folder} holds a run with another {', '.join(changed)}: set that as before or use a new folder."
        )


def _check_finite(networks: Networks) -> None:
    for name, network in networks.items():
        if not all(torch.isfinite(x).all() for x in network.state_dict().values()):
            raise DivergedError(f"The {name} holds values that are not numbers: train with a lower learning rate.")
