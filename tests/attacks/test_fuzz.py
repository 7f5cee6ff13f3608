"""Damage at random, in every format; benchmarks/fuzz_checkpoints.py does the same a hundred thousand times."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutate import mutated, originals

from checkpoint_files import FORMATS
from zplus.errors import CheckpointError
from zplus.generators.checkpoints.read import read_checkpoint


@pytest.fixture(scope="session")
def originals_in_memory(tmp_path_factory):
    return originals(tmp_path_factory.mktemp("originals"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from([*FORMATS, "zplus", "safetensors"]), seed=st.integers(0, 2**32))
def test_a_damaged_file_is_read_or_refused_in_one_line(kind, seed, originals_in_memory, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(mutated(originals_in_memory[kind], random.Random(seed)))
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        assert str(error).isprintable()
        assert len(str(error)) <= 400
