"""Bodies recovered from keypoints of people whose body is known."""

import dataclasses

import pytest
import torch

from human_recovery import smpl_files
from human_recovery.body_energies import FitSpace
from human_recovery.body_evidence import EvidenceSettings, SurfacePairs, gather_evidence
from human_recovery.body_fit import BodyFitSettings, _descended, fit_body
from human_recovery.body_priors import body_prior
from human_recovery.body_starts import first_starts
from human_recovery.body_state import load_body, save_body
from human_recovery.keypoint_files import Keypoints2D
from human_recovery.output import KEYPOINT_NAMES
from human_recovery.smpl_family import SmplBody
from renders.camera import Camera
from renders.errors import InputError
from renders.mesh import Mesh, vertex_normals
from renders.rasterizer import rasterize

from .posed_people import HIPS, SIZE_PX, aligned_error_m, random_person
from .stick_body import write_stick_body

QUICK = BodyFitSettings(bodies=(4, 2), steps=(15, 10))
MODERATE = BodyFitSettings(bodies=(8, 3), steps=(60, 40))
AS_NOISY = BodyFitSettings(evidence=EvidenceSettings(surface_noise=0.01, surface_votes=100.0))
"""Surface pairs as exact as those of these tests."""
KNEES_DOWN = [i for i, name in enumerate(KEYPOINT_NAMES) if i >= 13]


@pytest.fixture(scope="module")
def person(fast_body):
    return random_person(fast_body, 2)


@pytest.fixture(scope="module")
def fit(fast_body, person):
    return fit_body(fast_body, person.keypoints, person.camera)


def keypoints_m(fit, body) -> torch.Tensor:
    return fit.state.keypoints_camera(body).detach()


def without(keypoints: Keypoints2D, missing: list[int]) -> Keypoints2D:
    confidence = keypoints.confidence.clone()
    confidence[missing] = 0.0
    return dataclasses.replace(keypoints, confidence=confidence)


def pairs_of(person, body, count: int = 200, noise_px: float = 4.0) -> SurfacePairs:
    """Pixels of vertices that face the camera, as DensePose or a photo tower finds them."""
    generator = torch.Generator().manual_seed(0)
    normals = vertex_normals(person.vertices_m, body.faces)
    facing = ((normals * person.vertices_m).sum(1) < 0).nonzero().flatten()
    chosen = facing[torch.randperm(len(facing), generator=generator)[:count]]
    pixels = person.camera.project(person.vertices_m[chosen])
    pixels = pixels + noise_px * torch.randn(len(chosen), 2, generator=generator)
    return SurfacePairs(pixels, chosen, "anny-fast")


def test_keypoints_give_the_body_and_a_report(fast_body, person, fit):
    found = keypoints_m(fit, fast_body)
    assert float(aligned_error_m(found, person.keypoints_m).mean()) < 0.06
    assert fit.reprojection_px < 4
    away = (person.camera.project(found) - person.keypoints.points_px).norm(dim=1)
    assert float(away.median()) == pytest.approx(fit.reprojection_px, abs=0.01)
    assert fit.stages[0].bodies == 16
    assert 1 <= len(fit.hypotheses) <= fit.stages[1].bodies <= 6
    for stage in fit.stages:
        assert stage.stopped in ("converged", "iterations") and 30 < stage.steps <= 100
        assert len(stage.energies) == stage.steps
    last = dict(fit.stages[1].energies[-1])
    total = last.pop("total")
    assert set(last) == {"keypoints", "pose", "limits", "tilt", "behind", "shape"}
    assert sum(last.values()) == pytest.approx(total, rel=1e-4)
    assert fit.stages[1].energies[-1]["total"] < fit.stages[0].energies[0]["total"] / 3
    energies = [one.energy for one in fit.hypotheses]
    assert energies == sorted(energies)
    assert sum(one.share for one in fit.hypotheses) == pytest.approx(1.0, abs=1e-5)
    assert f"{len(energies)} hypotheses" in repr(fit)


def test_uncertainty_is_told_per_keypoint_and_for_depth(person, fit):
    spread = fit.body.joint_spread_m
    assert spread.shape == (23,) and bool((spread > 0).all())
    # The size of a person is known to about 6 %, and with it depth.
    depth = float(person.keypoints_m[HIPS, 2].mean())
    assert 0.03 * depth < fit.depth_spread_m < 0.12 * depth
    assert float(spread[[9, 10]].mean()) > float(spread[HIPS].mean())


def test_the_result_goes_on_the_full_body_and_into_a_file(tmp_path, fast_body, full_body, fit):
    full = fit.on(full_body)
    assert full.topology == "anny" and full.vertices_m.shape == (13718, 3)
    points = full_body.keypoints(full.state.output(full_body))[0]
    assert float((points - keypoints_m(fit, fast_body)).norm(dim=1).max()) < 0.04
    found = load_body(save_body(tmp_path / "body.npz", full))
    assert torch.equal(found.vertices_m, full.vertices_m)
    assert torch.equal(found.joint_spread_m, fit.body.joint_spread_m)
    assert fit.on(fast_body).state is fit.state


def test_legs_outside_the_picture_still_give_a_body(fast_body, person, fit):
    seen = without(person.keypoints, KNEES_DOWN)
    half = fit_body(fast_body, seen, person.camera)
    found = keypoints_m(half, fast_body)
    torso = [5, 6, 7, 8, *HIPS]
    assert float(aligned_error_m(found, person.keypoints_m)[torso].mean()) < 0.12
    assert half.reprojection_px < 4
    assert torch.isfinite(half.body.vertices_m).all()
    assert any("left_knee" in note and "left_ankle" in note for note in half.body.notes)
    unseen = half.body.joint_spread_m[[13, 14, 15, 16]]
    assert bool((unseen > 1.3 * fit.body.joint_spread_m[[13, 14, 15, 16]]).all())
    assert float(unseen.min()) > 0.1


def test_surface_pairs_settle_what_keypoints_leave_open(fast_body):
    person = random_person(fast_body, 5)
    alone, dense = (
        fit_body(fast_body, person.keypoints, person.camera, surface=pairs, settings=AS_NOISY)
        for pairs in (None, pairs_of(person, fast_body))
    )
    errors = [
        float(aligned_error_m(keypoints_m(one, fast_body), person.keypoints_m).mean())
        for one in (alone, dense)
    ]
    print(f"mean keypoint error alone {errors[0]:.3f} m, with surface pairs {errors[1]:.3f} m")
    assert errors[1] < 0.75 * errors[0]
    assert "surface" in dense.stages[0].energies[0]
    assert float(dense.body.joint_spread_m.mean()) < float(alone.body.joint_spread_m.mean())


def test_a_mask_shows_legs_that_no_keypoint_tells(fast_body, person):
    drawn = rasterize(Mesh(person.vertices_m, fast_body.faces), person.camera)
    mask = drawn.face_index >= 0
    seen = without(person.keypoints, KNEES_DOWN)
    alone, masked = (
        fit_body(fast_body, seen, person.camera, person_mask=given, settings=MODERATE)
        for given in (None, mask)
    )
    ankles = [15, 16]
    off = [
        float((person.camera.project(keypoints_m(one, fast_body)) - person.keypoints.points_px)
              [ankles].norm(dim=1).mean())
        for one in (alone, masked)
    ]  # fmt: skip
    history = [row["mask"] for row in masked.stages[1].energies]
    print(
        f"ankles off by {off[0]:.0f} px without and {off[1]:.0f} px with the mask; {history[::20]}"
    )
    assert "mask" not in masked.stages[0].energies[0]
    assert min(history) < 0.7 * history[0]
    assert off[1] < off[0]


def test_the_same_input_gives_the_same_body(fast_body, person):
    first, second = (
        fit_body(fast_body, person.keypoints, person.camera, settings=QUICK) for _ in range(2)
    )
    assert torch.equal(first.body.vertices_m, second.body.vertices_m)
    assert first.depth_spread_m == second.depth_spread_m


def test_a_known_shape_is_kept(fast_body, person):
    shape = tuple(person.state.shape.tolist())
    settings = dataclasses.replace(QUICK, shape=shape)
    found = fit_body(fast_body, person.keypoints, person.camera, settings=settings)
    assert found.state.shape.tolist() == pytest.approx(list(shape))
    assert "shape" not in found.stages[0].energies[0]
    free = fit_body(fast_body, person.keypoints, person.camera, settings=QUICK)
    assert found.depth_spread_m < 0.6 * free.depth_spread_m
    with pytest.raises(InputError, match="6 shape numbers"):
        fit_body(fast_body, person.keypoints, person.camera,
                 settings=dataclasses.replace(QUICK, shape=(0.5,)))  # fmt: skip


def test_one_body_that_is_lost_does_not_take_the_others_along(fast_body, person):
    evidence = gather_evidence(
        fast_body, person.keypoints, person.camera, None, None, EvidenceSettings()
    )
    space = FitSpace(fast_body, body_prior(fast_body), evidence, None)
    starts = first_starts(space, 4)
    good = _descended(space, starts, space.first(starts), QUICK, 0)
    numbers = space.first(starts)
    numbers[2, 5] = torch.nan
    best, least, _ = _descended(space, starts, numbers, QUICK, 0)
    others = [0, 1, 3]
    torch.testing.assert_close(best[others], good[0][others])
    torch.testing.assert_close(least[others], good[1][others])
    assert not torch.isfinite(least[2])


def test_starts_differ_and_half_of_them_sit(fast_body, person):
    evidence = gather_evidence(
        fast_body, person.keypoints, person.camera, None, None, EvidenceSettings()
    )
    space = FitSpace(fast_body, body_prior(fast_body), evidence, None)
    starts = first_starts(space, 7)
    assert len(starts) == 7
    assert bool((starts.depth_m > 0.2).all())
    sits = starts.angles.abs().sum(1) > 0
    assert sits.tolist() == [False, True] * 3 + [False]
    assert not torch.allclose(starts.rotation[0], starts.rotation[2], atol=0.3)
    torch.testing.assert_close(starts.rotation[0], starts.rotation[1])


def test_a_model_of_the_smpl_family_is_fitted_too(tmp_path, monkeypatch):
    write_stick_body(tmp_path, "smplx", monkeypatch)
    monkeypatch.setenv(smpl_files.FOLDER_VARIABLE, str(tmp_path))

    class Stick(SmplBody):
        """Its few vertices are not the published landmarks; the joints stand for them."""

        def keypoints(self, output):
            fallback = {"nose": "jaw", "heel": "ankle", "toe": "foot", "ear": "eye"}
            places = []
            for name in KEYPOINT_NAMES:
                side = name.split("_")[0] + "_" if "_" in name else ""
                last = name.rsplit("_", 1)[-1]
                joint = side + fallback.get(last, last) if last != "nose" else "jaw"
                places.append(output.bone_heads[:, self.bone_names.index(joint)])
            return torch.stack(places, dim=1)

    body = Stick("smplx")
    prior = body_prior(body)
    angles = prior.mean_rad + 0.4 * prior.std_rad
    rotations = prior.rotations(angles[None])
    rotations[0, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    truth = body(body.neutral_shape(), rotations, torch.tensor([[0.2, -0.5, 3.0]]))
    camera = Camera(
        torch.tensor([[500.0, 0, 256], [0, 500, 256], [0, 0, 1]]), torch.eye(4), 512, 512
    )
    seen = Keypoints2D(camera.project(body.keypoints(truth)[0]), torch.ones(23))
    settings = BodyFitSettings(bodies=(6, 2), steps=(60, 30))
    found = fit_body(body, seen, camera, settings=settings)
    assert found.state.model == "smplx" and found.body.topology == "smplx"
    assert found.reprojection_px < 6
    assert float(found.state.translation_m[2]) == pytest.approx(3.0, rel=0.15)
    torch.testing.assert_close(found.state.vertices_camera(body).detach(), found.body.vertices_m)


# Input that cannot be used


def points(count: int = 23, place=None) -> Keypoints2D:
    generator = torch.Generator().manual_seed(1)
    places = torch.rand(23, 2, generator=generator) * 300 + 100
    confidence = (torch.arange(23) < count).float()
    return Keypoints2D(places if place is None else places * 0 + place, confidence)


def lens(focal: float) -> Camera:
    k = torch.tensor([[focal, 0, SIZE_PX / 2], [0, focal, SIZE_PX / 2], [0, 0, 1.0]])
    return Camera(k, torch.eye(4), SIZE_PX, SIZE_PX)


@pytest.mark.parametrize(
    ("keypoints", "camera", "more", "says"),
    [
        (points(3), lens(600), {}, r"at least 4 .* found 3 \(nose, left_eye, right_eye\)"),
        (points(0), lens(600), {}, r"found 0 \(none\)"),
        (points(23, 5000.0), lens(600), {}, "23 more lie outside the picture"),
        (points(23, 200.0), lens(600), {}, "lie within 0.0 px"),
        (points(), lens(20.0), {}, "no lens"),
        (points(), lens(5e5), {}, "no lens"),
        (points(), lens(600), {"person_mask": torch.zeros(10, 10, dtype=torch.bool)}, "mask is"),
        (points(), lens(600),
         {"person_mask": torch.zeros(SIZE_PX, SIZE_PX, dtype=torch.bool)}, "mask is empty"),
        (points(), lens(600),
         {"surface": SurfacePairs(torch.ones(2, 2), torch.tensor([0, 1229]), "anny-fast")},
         "vertices 0..1228"),
        (points(), lens(600),
         {"surface": SurfacePairs(torch.full((1, 2), torch.nan), torch.tensor([0]), "anny-fast")},
         "pairs need finite"),
        (points(), lens(600),
         {"surface": SurfacePairs(torch.ones(1, 2), torch.tensor([0]), "anny-fast",
                                  torch.tensor([-1.0]))}, "none negative"),
    ],
)  # fmt: skip
def test_evidence_that_says_nothing_is_refused(fast_body, keypoints, camera, more, says):
    with pytest.raises(InputError, match=says) as error:
        fit_body(fast_body, keypoints, camera, settings=QUICK, **more)
    assert "\n" not in str(error.value)


def test_a_camera_with_a_pose_and_odd_settings_are_refused(fast_body, person):
    pose = torch.eye(4)
    pose[2, 3] = 1.0
    moved = dataclasses.replace(person.camera, camera_from_world=pose)
    with pytest.raises(InputError, match="identity"):
        fit_body(fast_body, person.keypoints, moved, settings=QUICK)
    for change in ({"bodies": (4, 0)}, {"steps": (0, 5)}):
        with pytest.raises(InputError, match="at least one body"):
            dataclasses.replace(QUICK, **change)


def test_a_long_lens_is_taken_with_a_note_and_points_outside_are_left_out(fast_body, person):
    keypoints = person.keypoints.points_px.clone()
    keypoints[9] = torch.tensor([-400.0, 100.0])
    seen = dataclasses.replace(person.keypoints, points_px=keypoints)
    camera = lens(8.0 * SIZE_PX)
    evidence = gather_evidence(fast_body, seen, camera, None, None, EvidenceSettings())
    assert float(evidence.weight[9]) == 0.0 and int((evidence.weight > 0).sum()) == 22
    notes = " ".join(evidence.notes)
    assert "tele lens" in notes and "1 keypoints outside" in notes and "left_wrist" in notes


def test_pairs_on_the_full_body_go_to_the_nearest_place_of_the_fast_one(fast_body, full_body):
    full, fast = full_body.topology.canonical_vertices, fast_body.topology.canonical_vertices
    vertex = torch.arange(0, 13718, 97)
    given = SurfacePairs(torch.full((len(vertex), 2), 50.0), vertex, "anny")
    evidence = gather_evidence(fast_body, points(), lens(600), None, given, EvidenceSettings())
    away = (full[vertex] - fast[evidence.pair_vertex]).norm(dim=1)
    assert float(away.max()) < 0.08
    assert float(evidence.pair_weight.sum()) == pytest.approx(60.0)
    told = SurfacePairs.from_canonical(given.points_px, full[vertex], "anny")
    assert torch.equal(told.vertex, vertex)


# Numbers


@pytest.mark.slow
@pytest.mark.parametrize("evidence", ["keypoints", "known shape", "surface pairs"])
def test_errors_over_several_people(fast_body, evidence):
    """The numbers of docs/body.md; `-rP` prints them."""
    pose, place, depth, deviations = [], [], [], []
    for seed in range(9):
        person = random_person(fast_body, seed)
        settings, surface = AS_NOISY, None
        if evidence == "known shape":
            settings = BodyFitSettings(shape=tuple(person.state.shape.tolist()))
        if evidence == "surface pairs":
            surface = pairs_of(person, fast_body)
        fit = fit_body(
            fast_body, person.keypoints, person.camera, surface=surface, settings=settings
        )
        found = keypoints_m(fit, fast_body)
        pose.append(float(aligned_error_m(found, person.keypoints_m).mean()))
        off = found[HIPS].mean(0) - person.keypoints_m[HIPS].mean(0)
        place.append(float(off.norm()))
        depth.append(abs(float(off[2])))
        deviations.append(depth[-1] / fit.depth_spread_m)
    rows = {"keypoints, hips aligned": pose, "place": place, "depth": depth}
    medians = {name: float(torch.tensor(values).median()) for name, values in rows.items()}
    for name, values in rows.items():
        print(f"{evidence}: {name}: median {medians[name]:.3f} m, worst {max(values):.3f} m")
    print(f"{evidence}: depth off by {max(deviations):.1f} deviations at most")
    bar = {"keypoints": 0.09, "known shape": 0.09, "surface pairs": 0.06}[evidence]
    assert medians["keypoints, hips aligned"] < bar
    assert medians["place"] < (0.08 if evidence == "known shape" else 0.2)
    assert max(deviations) < 3
