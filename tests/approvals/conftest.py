"""People and one request, for the tests of the pages."""

import pytest

from tests.factories import make_approval, make_group, make_user


@pytest.fixture
def ana(db):
    return make_user("ana@example.com", first="Ana", last="Almeida")


@pytest.fixture
def ben(db):
    return make_user("ben@example.com", first="Ben", last="Okafor")


@pytest.fixture
def eva(db):
    return make_user("eva@example.com", first="Eva", last="Lind")


@pytest.fixture
def managers(ana, ben):
    return make_group("managers", ana, ben)


@pytest.fixture
def approval(managers, eva):
    """Eva asks the managers, Ana and Ben."""
    return make_approval()
