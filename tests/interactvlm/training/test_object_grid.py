"""The coarse grid of an object's canonical frame."""

import torch

from interactvlm.evaluation.object_priors import CELLS, ObjectPriors
from interactvlm.training.object_grid import cell_of, heat_grid


def _ball(count: int = 4000) -> torch.Tensor:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(points, dim=1)


def test_place_and_scale_of_the_object_do_not_matter():
    points = _ball()
    assert torch.equal(cell_of(points, 6), cell_of(points, 6))
    same = (cell_of(points, 6) == cell_of(points * 0.07 + 4.0, 6)).float().mean()
    assert same > 0.99  # rounding moves a few points over an edge


def test_heat_of_the_top_lies_in_the_upper_cells():
    points = _ball()
    grid = heat_grid(points, (points[:, 1] > 0.5).float(), 6)
    assert grid.heat[:, 5][grid.filled[:, 5]].min() == 1
    assert grid.heat[:, :4].max() == 0
    assert not grid.filled[2:4, 2:4, 2:4].any()
    assert (grid.heat[~grid.filled] == 0).all()


def test_mirroring_exchanges_left_and_right_only():
    points = _ball()
    grid = heat_grid(points, (points[:, 0] > 0.5).float(), 6)
    mirrored = heat_grid(points * torch.tensor([-1.0, 1.0, 1.0]), (points[:, 0] > 0.5).float(), 6)
    assert (grid.mirrored().heat == mirrored.heat).float().mean() > 0.99
    assert (grid.mirrored().filled == mirrored.filled).float().mean() > 0.99
    assert grid.heat[5].sum() > 0 == grid.heat[0].sum()


def test_the_prior_is_read_back_at_the_points_of_another_object(tmp_path):
    points = _ball()
    top = (points[:, 1] > 0.5).float()
    grid = heat_grid(points, top, CELLS)
    ObjectPriors({"ball": grid.heat.flatten()}).save(tmp_path / "priors.npz")
    priors = ObjectPriors.load(tmp_path / "priors.npz")
    other = _ball(500) * 0.3 + 1.0
    wanted = ((other[:, 1] - 1.0) / 0.3 > 0.5).float()
    assert (priors.heat("ball", other) - wanted).abs().mean() < 0.1
    torch.testing.assert_close(priors.heat("kite", other), priors.heat("ball", other))
