"""The platform of the journeys, and what tests of buying need besides."""

from tests.journeys.conftest import family as family
from tests.journeys.conftest import running as running
