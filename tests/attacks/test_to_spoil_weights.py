"""The attacker wants weights that are no weights: of other types, not finite, or cut off."""

import pytest
import torch
from mutate import originals
from safetensors.torch import save_file

from checkpoint_files import FORMATS
from tiny import tiny_stylegan2
from zplus.errors import CheckpointError
from zplus.generators.checkpoints.read import read_checkpoint

NAME = "synthesis.b4.const"


def read_with(change, path, safe=False):
    tensors = {k: v.clone() for k, v in tiny_stylegan2(resolution=8, channels=2).state_dict().items()}
    tensors[NAME] = change(tensors[NAME])
    (save_file if safe else torch.save)(tensors, path)
    return read_checkpoint(path)[0]


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    return originals(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int8, torch.uint8, torch.bool, torch.complex64])
def test_to_pass_off_other_numbers_as_weights(dtype, safe, tmp_path):
    with pytest.raises(CheckpointError, match=r"floating point|ComplexFloatStorage"):
        read_with(lambda x: x.to(dtype), tmp_path / "a", safe)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_to_hide_values_that_are_not_finite(value, tmp_path):
    with pytest.raises(CheckpointError, match=f"not numbers.*{NAME}"):
        read_with(lambda x: torch.full_like(x, value), tmp_path / "a")


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_mixed_precision_is_no_attack(dtype, safe, tmp_path):
    assert {x.dtype for x in read_with(lambda x: x.to(dtype), tmp_path / "a", safe).state_dict().values()} == {
        torch.float32
    }


@pytest.mark.parametrize("kind", [*FORMATS, "zplus", "safetensors"])
def test_to_have_half_a_file_read(kind, whole, tmp_path):
    data, path = whole[kind], tmp_path / "a"
    for k in range(16):
        path.write_bytes(data[: len(data) * k // 16])
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(path)
        assert str(caught.value).isprintable()


def test_to_have_a_folder_read(tmp_path):
    with pytest.raises(CheckpointError, match="a folder or a device"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="There is no file"):
        read_checkpoint(tmp_path / "nothing.pkl")
