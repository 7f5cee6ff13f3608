"""Damage at random, in every format; benchmarks/fuzz_checkpoints.py does the same a hundred thousand times."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutate import READERS, mutated, originals, reader, records

from checkpoint_files import FORMATS
from zplus.errors import ZplusError


@pytest.fixture(scope="session")
def originals_in_memory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    return originals(folder) | records(folder)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from([*FORMATS, "zplus", "safetensors", *READERS]), seed=st.integers(0, 2**32))
def test_a_damaged_file_is_read_or_refused_in_one_line(kind, seed, originals_in_memory, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(mutated(originals_in_memory[kind], random.Random(seed)))
    try:
        reader(kind)(path)
    except ZplusError as error:
        words = str(error).replace(str(path), "")
        assert words.isprintable()
        assert len(words) <= 400
