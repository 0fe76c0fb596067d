"""Fixtures that every room of the tests shares."""

import pytest

import endmember as em


@pytest.fixture(scope="session")
def diamond():
    """The measured map, loaded once."""
    return em.datasets.load("diamond_anvil_71gpa")
