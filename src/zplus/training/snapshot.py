"""All that a training run needs to go on, in one safetensors file: no pickle, so that nothing read from it runs code.

Tensors are named `NETWORK.PARAMETER` and `optimizer.NAME.PARAMETER.STATE`; the header holds the facts as JSON.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from zplus.errors import CheckpointError, reason
from zplus.tensor_files import DAMAGE, opened, read_texts, write_tensors

Networks = Mapping[str, nn.Module]
Optimizers = Mapping[str, Adam]  # by the name of the network whose parameters, all in order, they change
STATES = ("step", "exp_avg", "exp_avg_sq")


def save_snapshot(path: Path, networks: Networks, optimizers: Optimizers, facts: Mapping[str, Any]) -> None:
    """Write networks, optimisers and facts (what JSON can hold)."""
    write_tensors(path, dict(_named(networks, optimizers)), {"zplus": "training", "facts": json.dumps(facts)})


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a snapshot, or None where there is no such file. Raises CheckpointError if it is damaged."""
    if not path.exists():
        return None
    try:
        facts = dict(json.loads(read_texts(path)["facts"]))
        if not isinstance(facts["settings"], dict) or not {"data", "step", "log"} <= facts.keys():
            raise ValueError("its facts are none of a training")
        return facts
    except DAMAGE as error:
        raise _damaged(path, error) from error


def load_snapshot(path: Path, networks: Networks, optimizers: Optimizers) -> None:
    """Copy what `save_snapshot` wrote into networks and optimisers of the same sizes, keeping their memory format."""
    for name, optimizer in optimizers.items():
        for parameter in networks[name].parameters():
            moments = {state: torch.zeros_like(parameter) for state in STATES[1:]}
            optimizer.state[parameter] = {"step": torch.tensor(0.0), **moments}
    try:
        with opened(path) as file:
            wanted = dict(_named(networks, optimizers))
            if set(wanted) != set(file.keys()):
                raise ValueError("it is of other networks")
            for name, tensor in wanted.items():
                found = file.get_tensor(name)
                if found.shape != tensor.shape:
                    raise ValueError(f"{name} has another size")
                tensor.detach().copy_(found)
    except DAMAGE as error:
        raise _damaged(path, error) from error


def _named(networks: Networks, optimizers: Optimizers) -> Iterator[tuple[str, Tensor]]:
    for name, network in networks.items():
        yield from ((f"{name}.{key}", x) for key, x in network.state_dict(keep_vars=True).items())
    for name, optimizer in optimizers.items():
        for key, parameter in networks[name].named_parameters():
            state = optimizer.state[parameter]
            yield from ((f"optimizer.{name}.{key}.{part}", state[part]) for part in STATES)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path} is no snapshot that training can go on from ({reason(error)}): use another folder.")
