"""Animations as MP4: the frames as they were, the mark that every picture has, and the extra where it is missing."""

import struct
import sys

import numpy as np
import pytest

from zplus.errors import MissingExtraError
from zplus.images import SOURCE_TYPE, is_animation, write_animation


def frames(height=48, width=64, count=5):
    """Colours that move from left to right."""
    places = np.linspace(0, 255, width)[None, :, None] + np.arange(count)[:, None, None, None] * 8
    return list((places + np.array([0, 40, 80])).clip(0, 255).astype(np.uint8).repeat(height, 1))


def boxes(content):
    """The boxes of an ISO media file, by type."""
    found, place = {}, 0
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        found[kind] = content[place + 8 : place + size]
        place += size
    return found


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63)])
def test_an_mp4_shows_its_frames_and_says_how_they_were_made(tmp_path, height, width):
    av = pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    path, expected = tmp_path / "a.MP4", frames(height, width)
    write_animation(path, expected, 12.5, "smile & more")
    with av.open(path) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 12.5)
        assert container.metadata["comment"] == "Edited by a generative model: smile & more"
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.shape(shown) == (5, 48 - height % 2 * 2, 64 - width % 2 * 2, 3)
    errors = [np.abs(a.astype(int) - b[: a.shape[0], : a.shape[1]]) for a, b in zip(shown, expected, strict=True)]
    assert np.mean(errors) < 3
    packet = boxes(path.read_bytes())[b"uuid"]
    assert packet.startswith(bytes.fromhex("be7acfcb97a942e89c71999491e3afac"))
    assert SOURCE_TYPE.encode() in packet and b"smile &amp; more" in packet
    assert [x.name for x in tmp_path.iterdir()] == ["a.MP4"]


def test_what_is_an_animation(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert is_animation("a.webp") and not is_animation("a.png")


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for ask in (is_animation, lambda path: write_animation(path, frames(), 12.0)):
        with pytest.raises(MissingExtraError, match=r"av is needed .*zplus\[video\]"):
            ask(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
