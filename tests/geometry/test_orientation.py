"""How a volume is turned upright, and back, on a mask without any symmetry."""

from __future__ import annotations

import numpy as np
import pytest

from infnet.geometry.affine import axial_affine
from infnet.geometry.orientation import Orientation
from tests.orders import signed_permutations

SHAPE = (3, 4, 5)
MASK = np.arange(60).reshape(SHAPE)


@pytest.mark.parametrize("affine", signed_permutations())
def test_upright_runs_to_head_back_and_left_and_comes_back(affine):
    orientation = Orientation.of(affine)
    upright = orientation.apply(MASK)
    assert np.array_equal(orientation.undo(upright), MASK)
    # The world coordinates of the source, turned the same way, must rise along z, y, x of the upright axes.
    index = np.stack([*np.indices(SHAPE), np.ones(SHAPE)]).reshape(4, -1)
    world = (affine @ index)[:3].reshape(3, *SHAPE)
    for axis, coordinate in ((0, 2), (1, 1), (2, 0)):
        assert (np.diff(orientation.apply(world[coordinate]), axis=axis) > 0).all()


def test_spacing_turns_with_the_axes():
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2], affine[3, 3] = 0.7, -3.0, 0.9, 1  # sagittal: slices along x
    orientation = Orientation.of(affine)
    assert orientation.axes == (1, 2, 0)
    assert orientation.flips == (True, False, False)
    assert orientation.spacing((0.7, 3.0, 0.9)) == (3.0, 0.9, 0.7)


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_oblique_takes_the_nearest_axes_and_each_once(degrees):
    a = np.deg2rad(degrees)
    rotation = np.eye(4)
    rotation[1:3, 1:3] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    assert Orientation.of(rotation @ axial_affine((5.0, 1.0, 1.0))) == Orientation()


def test_row_cosines_0_minus1_0():
    """Rows run to the front, columns to the left: the in-plane rotation that some scanners write."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]]).T * np.array([5.0, 1.0, 1.0])
    orientation = Orientation.of(affine)
    assert orientation.axes == (0, 2, 1)
    assert orientation.flips == (False, True, False)
    marked = np.zeros(SHAPE, int)
    marked[1, 0, 4] = 1  # first row: right; last column: front
    assert orientation.apply(marked)[1, 0, 0] == 1


def test_without_geometry_nothing_turns():
    assert Orientation.of(None) == Orientation()
    assert np.array_equal(Orientation().apply(MASK), MASK)
