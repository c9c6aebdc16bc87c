"""Contact maps and their file: the promised format, attacked."""

import dataclasses

import numpy as np
import pytest
import torch

from interactvlm.errors import AssetError, InputError
from interactvlm.results import ContactMap, load_contact_npz, save_contact_npz


def _map(label="chair", seed=0, **changes):
    rng = torch.Generator().manual_seed(seed)
    values = {
        "vertex_probability": torch.rand(12, generator=rng),
        "topology": "anny",
        "label": label,
        "threshold": 0.5,
        "seen": torch.rand(12, generator=rng) > 0.2,
    }
    return ContactMap(**(values | changes))


def test_round_trip_and_format(tmp_path):
    path = tmp_path / "größe" / "contact.npz"
    maps = [_map("chair"), _map("überraschung", 1, seen=_map().seen), _map("", 2, seen=_map().seen)]
    save_contact_npz(path, maps)
    with np.load(path, allow_pickle=False) as stored:
        assert stored["vertex_probability"].dtype == np.float32
        assert stored["vertex_probability"].shape == (3, 12)
        assert stored["labels"].tolist() == ["chair", "überraschung", ""]
        assert str(stored["topology"]) == "anny"
        assert float(stored["threshold"]) == 0.5
        assert stored["seen"].dtype == bool
    for before, after in zip(maps, load_contact_npz(path), strict=True):
        torch.testing.assert_close(before.vertex_probability, after.vertex_probability)
        assert (before.label, before.topology) == (after.label, after.topology)
        torch.testing.assert_close(before.mask(), after.mask())
    assert [p.name for p in path.parent.iterdir()] == ["contact.npz"]


def test_threshold_is_inclusive():
    contact = _map(vertex_probability=torch.full((12,), 0.5))
    assert contact.mask().all()
    assert contact.in_contact
    assert "12 of 12" in repr(contact)


def test_maps_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(InputError, match="no contact maps"):
        save_contact_npz(tmp_path / "contact.npz", [])
    with pytest.raises(InputError, match="must share"):
        save_contact_npz(tmp_path / "contact.npz", [_map(), _map(topology="smpl")])
    assert not list(tmp_path.iterdir())


def _stored(tmp_path, **changes):
    arrays = {
        "vertex_probability": np.zeros((1, 3), np.float32),
        "labels": np.array(["cup"]),
        "topology": np.array("anny"),
        "threshold": np.array(0.5),
        "seen": np.ones(3, bool),
    }
    arrays |= changes
    path = tmp_path / "contact.npz"
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, r"lacks \['labels'\]"),
        ({"labels": np.array(["a", "b"])}, "do not fit"),
        ({"threshold": np.array([0.5, 0.6])}, "threshold must be one"),
        ({"threshold": np.array("half")}, "threshold must be one"),
        ({"threshold": np.array(np.nan)}, "threshold must be one"),
        ({"seen": np.ones(4, bool)}, "do not fit"),
        ({"vertex_probability": np.zeros(3, np.float32)}, "labels, vertices"),
        ({"vertex_probability": np.full((1, 3), np.nan, np.float32)}, "NaN"),
        ({"labels": np.array([{"a": 1}], dtype=object)}, "cannot be read"),
    ],
)
def test_damaged_files_are_named(tmp_path, changes, message):
    with pytest.raises(AssetError, match=message):
        load_contact_npz(_stored(tmp_path, **changes))


def test_missing_and_truncated_files_are_named(tmp_path):
    with pytest.raises(AssetError, match="not found"):
        load_contact_npz(tmp_path / "contact.npz")
    path = _stored(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AssetError, match="cannot be read"):
        load_contact_npz(path)


def test_parts_belong_to_bodies_only():
    with pytest.raises(InputError, match="no body parts"):
        dataclasses.replace(_map(), topology="object").parts()
