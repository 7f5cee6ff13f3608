"""What tests of compiled code share."""

import pytest

TORCHS_OWN_WARNINGS = [  # while its compiler imports what it deprecates, and traces
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
]
