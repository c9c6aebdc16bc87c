"""Contact files and body meshes on another body's vertices, through the command line."""

import numpy as np
import pytest
import torch
import trimesh

from human_recovery.topology import BodyTopology
from human_recovery.topology_map import TopologyMap
from interactvlm import body_transfer
from interactvlm.body_transfer import bodies_at_hand, carried_over, transfer_body_mesh
from interactvlm.cli import main as cli
from interactvlm.errors import InputError
from interactvlm.results import ContactMap, load_contact_npz, save_contact_npz


@pytest.fixture(autouse=True)
def no_body_files(monkeypatch):
    monkeypatch.delenv("INTERACTVLM_BODY_MODELS", raising=False)


def contact(topology, count, label="chair"):
    seen = torch.arange(count) % 2 == 0
    return ContactMap(torch.linspace(0, 1, count), topology, label, 0.4, seen)


def halves():
    """Two target vertices from three source ones: the mean of the first two, and the last."""
    return TopologyMap(
        "anny", "smplx", 3, 2, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]),
        torch.tensor([0.5, 0.5, 1.0]), "made for a test",
    )  # fmt: skip


def test_contact_stays_soft_and_keeps_its_threshold_and_words():
    given = contact("anny", 3)
    moved = carried_over(given, halves())
    assert moved.topology == "smplx" and moved.label == "chair" and moved.threshold == 0.4
    torch.testing.assert_close(moved.vertex_probability, torch.tensor([0.25, 1.0]))
    assert moved.seen.tolist() == [True, True]
    with pytest.raises(InputError, match=r"on 'smplh'.*begins at 'anny'"):
        carried_over(contact("smplh", 3), halves())


def test_a_contact_file_is_carried_over(tmp_path, capsys):
    given = [contact("smplh", 6890), contact("smplh", 6890, "cup")]
    save_contact_npz(tmp_path / "contact.npz", given)
    target = tmp_path / "new" / "smpl.npz"
    assert cli.main(["transfer", str(tmp_path / "contact.npz"), str(target), "--to", "smpl"]) == 0
    said = capsys.readouterr().out
    assert "smplh to smpl: the same vertices" in said and str(target) in said
    moved = load_contact_npz(target)
    assert [(m.label, m.topology) for m in moved] == [("chair", "smpl"), ("cup", "smpl")]
    assert torch.equal(moved[0].vertex_probability, given[0].vertex_probability)
    assert torch.equal(moved[1].seen, given[1].seen)


@pytest.fixture
def triangle_body(monkeypatch):
    """The target's faces, of two vertices only."""
    body = BodyTopology(
        "smplx", torch.tensor([[0, 1, 1]]), torch.zeros(2, 3), torch.zeros(2, dtype=torch.long),
        torch.arange(2),
    )  # fmt: skip
    monkeypatch.setattr(body_transfer, "topology_with_vertices_of", lambda name, folder: body)


@pytest.mark.parametrize("suffix", [".ply", ".obj"])
def test_a_posed_body_is_carried_over(tmp_path, triangle_body, suffix):
    vertices = np.array([[1.0, 2, 3], [3, 2, 1], [0, 5, 0]])
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    trimesh.Trimesh(vertices, [[0, 1, 2]], process=False).export(str(source))
    transfer_body_mesh(source, target, halves())
    found = trimesh.load_mesh(target, process=False, maintain_order=True)
    np.testing.assert_allclose(found.vertices, [[2, 2, 2], [0, 5, 0]], atol=1e-6)
    np.testing.assert_array_equal(found.faces, [[0, 1, 1]])


def test_a_mesh_of_another_body_is_refused(tmp_path, triangle_body):
    source = tmp_path / "a.ply"
    trimesh.Trimesh(np.eye(3), [[0, 1, 2]], process=False).export(str(source))
    way = TopologyMap(
        "anny", "smplx", 9, 2, torch.arange(2), torch.arange(2), torch.ones(2), "a test"
    )
    with pytest.raises(InputError, match=r"'anny' has 9 vertices, the mesh has 3.*a\.ply"):
        transfer_body_mesh(source, tmp_path / "b.ply", way)
    with pytest.raises(InputError, match=r"\.ply or \.obj.*b\.stl"):
        transfer_body_mesh(source, tmp_path / "b.stl", way)
    source.write_bytes(b"no mesh")
    with pytest.raises(InputError, match=r"cannot be read.*a\.ply"):
        transfer_body_mesh(source, tmp_path / "b.ply", way)
    with pytest.raises(InputError, match=r"not found.*gone\.ply"):
        transfer_body_mesh(tmp_path / "gone.ply", tmp_path / "b.ply", way)
    assert not (tmp_path / "b.ply").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "--to"),
        (["a.npz", "b.npz"], "--to"),
        (["a.npz", "b.npz", "--to", "smplx"], "contact file not found"),
        (["a.npz", "b.npz", "--to", "smplx", "--from", "anny"], "leave out --from"),
        (["a.ply", "b.ply", "--to", "smpl"], "--from which body"),
        (["a.ply", "b.ply", "--to", "smplx", "--from", "smplh"], "mano.is.tue.mpg.de"),
        (["--prepare", "--to", "smplx"], "--prepare makes maps only"),
    ],
)
def test_what_is_missing_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["transfer", *arguments]) == 2
    said = capsys.readouterr().err
    assert reason in said and said.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("topology", "count", "reason"),
    [("object", 5, "object's own mesh"), ("smplh", 5, "6890 vertices, got 5")],
)
def test_contact_of_no_such_body_is_refused(tmp_path, capsys, topology, count, reason):
    save_contact_npz(tmp_path / "a.npz", [contact(topology, count)])
    arguments = ["transfer", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--to", "smpl"]
    assert cli.main(arguments) == 2
    assert reason in capsys.readouterr().err and not (tmp_path / "b.npz").exists()


def test_bodies_at_hand_are_named_once_per_set_of_vertices(tmp_path):
    assert bodies_at_hand(tmp_path) == ["anny", "anny-fast"]
    for name in ("SMPL_NEUTRAL.npz", "SMPLH_NEUTRAL.pkl", "SMPLX_NEUTRAL.npz"):
        (tmp_path / name).touch()
    assert bodies_at_hand(tmp_path) == ["anny", "anny-fast", "smplh", "smplx"]


def test_prepare_tells_every_map_and_how_well_it_fits(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(body_transfer, "topology_map", lambda *names: halves())
    assert cli.main(["transfer", "--prepare", "--bodies", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == ["anny to smplx: made for a test"] * 2
