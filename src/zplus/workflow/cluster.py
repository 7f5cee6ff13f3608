"""Photos on a Ray cluster: workers that each hold the networks once, in many processes or on many machines.

Ray starts lost workers anew and gives them their photos again. Photos, models and the folder that is written to
must lie at the same paths on every machine.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import Any

from zplus.errors import MissingExtraError, ZplusError
from zplus.workflow.batch import Batch, Line, Work, in_order
from zplus.workflow.callbacks import Callbacks
from zplus.workflow.finished import Record
from zplus.workflow.inverting import load_inverter
from zplus.workflow.options import InvertOptions
from zplus.workflow.worker import Entry, Worker

TRIES = 3  # of the photos of lost workers: one that ends every worker must not do so for ever
BATCHES = 2  # that a worker is given at once, so that it does not wait for the next
GROUPS = {"align": 1, "invert": 1}  # threads of a worker: photos are read while others are inverted


class Cluster:
    """An engine (see `zplus.workflow.batch.Engine`) of workers of Ray.

    Args:
        options: How photos are inverted.
        batch: How many faces are inverted at once; None for as many as suit the memory and the processor of a worker.
        photos: About how many there are.
        callbacks: See `Callbacks`.
        address: Of the cluster; None makes one of the processors of this machine.
        workers: How many; None is one for each GPU, or 2.
        gpus: GPUs of each worker, also fractions.

    Raises:
        MissingExtraError: Ray is not installed.
        ZplusError: The cluster cannot be reached, or has no room for the workers.
    """

    def __init__(
        self,
        options: InvertOptions,
        batch: int | None,
        photos: int,
        callbacks: Callbacks,
        address: str | None = None,
        workers: int | None = None,
        gpus: float = 0.0,
    ):
        self.inverter = load_inverter(options, callbacks)
        self.ray = _connected(address)
        rooms = self.ray.cluster_resources()
        count = workers or (int(rooms.get("GPU", 0) / gpus) if gpus else 2)
        cpus = int(rooms.get("CPU", 1)) // max(1, count)
        if count < 1 or cpus < 1 or gpus * count > rooms.get("GPU", 0):
            has = f"{rooms.get('CPU', 0):g} processors and {rooms.get('GPU', 0):g} GPUs"
            raise ZplusError(
                f"The cluster has no room for {count} workers: there are {has}; change --workers or --gpus."
            )
        remote = self.ray.remote(
            num_cpus=cpus, num_gpus=gpus, max_restarts=-1, max_task_retries=TRIES, concurrency_groups=GROUPS
        )
        made = remote(Worker)
        aloud = Callbacks(say=_aloud)
        self.workers = [made.remote(options, batch, photos, cpus, aloud) for _ in range(count)]
        self.size = self.ray.get(self.workers[0].batch_size.remote())

    def align(self, works: Iterable[Work | Entry]) -> Iterator[Entry]:
        """Read and crop photos, in the order given."""
        turn = cycle(self.workers)

        def submit(work: Work | Entry) -> Any:
            return work if isinstance(work, Entry) else (work, next(turn).align.remote(*work))

        def take(sent: Any) -> Entry:
            if isinstance(sent, Entry):
                return sent
            found = self._taken(sent[1])
            return Entry(sent[0][0], error=found) if isinstance(found, Exception) else found

        return in_order(works, submit, take, BATCHES * self.size * len(self.workers))

    def invert(self, batches: Iterable[Batch], line: Line) -> Iterator[list[Record | Exception]]:
        """Invert the crops of batches, in the order given."""
        turn = cycle(self.workers)

        def take(sent: Any) -> list[Record | Exception]:
            found = self._taken(sent[1])
            return [found] * len(sent[0]) if isinstance(found, Exception) else found

        return in_order(
            batches, lambda batch: (batch, next(turn).invert.remote(batch)), take, BATCHES * len(self.workers)
        )

    def _taken(self, sent: Any) -> Any:
        """What a worker answers, or why none could. Raises what the worker raised."""
        try:
            return self.ray.get(sent)
        except self.ray.exceptions.RayActorError as error:
            return ZplusError(f"The workers ended {TRIES + 1} times with it: {str(error).splitlines()[0]}")
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None


def _aloud(line: str) -> None:
    """Say something from a worker: Ray passes it on."""
    print(line, file=sys.stderr, flush=True)


def _connected(address: str | None) -> Any:
    try:
        import ray  # noqa: PLC0415  # an extra, and seconds
    except ImportError:
        raise MissingExtraError("ray", "scale") from None
    try:
        ray.init(address or "local", ignore_reinit_error=True, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ZplusError(f"There is no Ray cluster at {address}: {str(error).splitlines()[0]}") from error
    return ray
