"""Type-checks every annotated call of the package while the tests run, and keeps the user's cache as it is.

torch's compiler cannot trace the checks, so tests of compiled code (tests/execution) run by themselves without them:
ZPLUS_UNCHECKED=1 pytest tests/execution.
"""

import os
from importlib import import_module

import pytest
import torch
from jaxtyping import install_import_hook

if not os.environ.get("ZPLUS_UNCHECKED"):
    install_import_hook("zplus", "beartype.beartype")
torch.set_num_threads(1)  # networks this small are slower on several, above all beside other work


@pytest.fixture(autouse=True)
def _quiet_decoders():
    """Warnings of decoders are dropped as for users; all others are errors."""
    import_module("zplus.image_limits").quiet_decoders()


@pytest.fixture(scope="session")
def statistics_folder(tmp_path_factory):
    """Where the statistics of the tests' generators go; models that were pulled are still found in the user's cache."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session", autouse=True)
def _own_statistics(statistics_folder):
    module = import_module("zplus.generators.prior")  # the package shows the function of this name
    with pytest.MonkeyPatch.context() as patch:  # of the session, so that fixtures of any scope come after it
        patch.setattr(module, "cached", statistics_folder.joinpath)
        yield
