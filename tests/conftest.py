"""Fixtures and settings that every room of the tests shares."""

import pytest
from hypothesis import settings

import endmember as em

# The same examples in every run, so that a red test is red for everyone. To search for new ones:
# pytest --hypothesis-profile search
settings.register_profile("fixed", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=500)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def diamond():
    """The measured map, loaded once."""
    return em.datasets.load("diamond_anvil_71gpa")
