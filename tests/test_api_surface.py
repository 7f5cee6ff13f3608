"""The public names, so that they change on purpose."""

import zplus

NAMES = [
    "align",
    "edit",
    "invert",
    "load_generator",
    "load_latent",
    "paste",
    "pull",
    "read_image",
    "render",
    "save_latent",
    "to_pixels",
    "write_image",
]


def test_public_names():
    assert sorted(zplus.__all__) == NAMES


def test_every_name_is_there():
    for name in NAMES:
        assert callable(getattr(zplus, name))
    assert not hasattr(zplus, "nothing")
