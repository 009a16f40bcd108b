"""One city for a module's tests: each starts from its own."""

import pytest

from city import City


@pytest.fixture(scope="module")
def city():
    with City() as city:
        yield city
