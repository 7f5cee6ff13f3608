"""Files between the page and what reads them: an error keeps its kind and names no path of this machine."""

import pytest

from zplus.errors import LatentError, MissingExtraError
from zplus.studio.passing import taken_in


def raising(error):
    def read(path):
        raise error(path)

    return read


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (lambda path: LatentError(f"{path} is damaged."), LatentError, "This file is damaged."),
        (lambda path: MissingExtraError("onnx", "faces"), MissingExtraError, r"onnx is needed .*zplus\[faces\]"),
    ],
)
def test_an_error_keeps_its_kind_and_hides_the_path(error, kind, words):
    with pytest.raises(kind, match=words) as caught:
        taken_in(b"content", raising(error))
    assert "zplus-" not in str(caught.value)
