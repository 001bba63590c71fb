"""The outline of the world."""

from __future__ import annotations

import numpy as np
import pytest

from resources import outline


def inside(ring: np.ndarray, longitude_deg: float, latitude_deg: float) -> bool:
    """Whether a point lies in a ring: crossings of a ray to the east."""
    a, b = ring[:-1], ring[1:]
    spans = (a[:, 1] > latitude_deg) != (b[:, 1] > latitude_deg)
    a, b = a[spans], b[spans]
    crossing = a[:, 0] + (latitude_deg - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool(np.count_nonzero(crossing > longitude_deg) % 2)


def country_at(world: outline.Outline, longitude_deg: float, latitude_deg: float) -> set[str]:
    names = outline.countries().names
    return {
        names[country]
        for ring, country in zip(world.rings, world.ring_countries, strict=True)
        if any(inside(ring, longitude_deg + turn, latitude_deg) for turn in (-360.0, 0.0, 360.0))
    }


@pytest.mark.parametrize("level", outline.LEVELS)
class TestOutline:
    @pytest.mark.parametrize(
        ("longitude_deg", "latitude_deg", "country"),
        [
            (25.0, 46.0, "Romania"),
            (2.35, 47.0, "France"),
            (-99.0, 39.0, "United States of America"),
            (134.0, -25.0, "Australia"),
            (-176.0, 66.5, "Russia"),  # east of the date line
            (100.0, -85.0, "Antarctica"),
        ],
    )
    def test_points_lie_in_their_country(self, level, longitude_deg, latitude_deg, country) -> None:
        assert country_at(outline.outline(level), longitude_deg, latitude_deg) == {country}

    @pytest.mark.parametrize(("longitude_deg", "latitude_deg"), [(-30.0, 40.0), (-150.0, 10.0), (75.0, -20.0)])
    def test_the_sea_belongs_to_nobody(self, level, longitude_deg, latitude_deg) -> None:
        assert country_at(outline.outline(level), longitude_deg, latitude_deg) == set()

    def test_no_line_leaps(self, level) -> None:
        world = outline.outline(level)
        for line in (*world.coasts, *world.borders):
            assert np.abs(np.diff(line[:, 0])).max() < 30.0

    def test_rings_are_closed(self, level) -> None:
        for ring in outline.outline(level).rings:
            assert np.allclose(ring[0], ring[-1])


def test_level_that_does_not_exist() -> None:
    with pytest.raises(KeyError):
        outline.outline(10)


def test_names_stand_in_their_country() -> None:
    world, countries = outline.outline(50), outline.countries()
    for name in ("Romania", "Chile", "Norway", "Canada", "Japan", "Croatia"):
        index = countries.names.index(name)
        found = country_at(world, float(countries.longitude_deg[index]), float(countries.latitude_deg[index]))
        assert found == {name}


def test_places_come_in_order_of_size() -> None:
    places = outline.places()
    order = [places.names.index(name) for name in ("Paris", "Cluj-Napoca", "Craiova", "Alba Lulia")]
    assert order == sorted(order)
    for name, country in (("Paris", "France"), ("Brasília", "Brazil"), ("Sydney", "Australia"), ("Taipei", "Taiwan")):
        assert places.countries[places.names.index(name)] == country
    index = places.names.index("Cluj-Napoca")
    assert places.countries[index] == "Romania"
    assert places.latitude_deg[index] == pytest.approx(46.77, abs=0.05)
    assert places.longitude_deg[index] == pytest.approx(23.60, abs=0.05)
