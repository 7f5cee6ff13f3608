"""Tests of compiled code; see tests/conftest.py."""

import os

import pytest


def pytest_collection_modifyitems(items):
    if not os.environ.get("ZPLUS_UNCHECKED"):
        for item in items:
            if "tests/execution/" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason="needs ZPLUS_UNCHECKED=1: type checks cannot be compiled"))
