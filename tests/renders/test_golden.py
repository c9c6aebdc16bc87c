"""Against numbers of the published code (internal golden set; skipped where it is absent)."""

import numpy as np
import pytest
import torch

from renders.camera import Camera, camera_from_pytorch3d
from renders.canonical import (
    HUMAN_VIEWS,
    OBJECT_VIEWS,
    normalize_object_mesh,
    normalize_object_points,
)
from renders.lifting import (
    PixelSurfaceMap,
    lift_human_logits,
    lift_human_logits_original,
    lift_object_logits,
)
from renders.mesh import Mesh, PointCloud, vertex_normals
from renders.points import composite, splat
from renders.rasterizer import visible_pixels
from renders.shading import (
    PhongLight,
    nocs_colors,
    normals_as_colors,
    render_phong,
    to_uint8,
)


def tensor(array) -> torch.Tensor:
    """Widened where integer, as indices need."""
    return torch.from_numpy(array.astype(np.int64) if array.dtype.kind in "iu" else array)


def camera_of(row, size: int) -> Camera:
    distance, elevation, azimuth, shift_x, shift_y = (float(x) for x in row)
    return camera_from_pytorch3d(distance, elevation, azimuth, shift_x, shift_y, size_px=size)


@pytest.mark.parametrize(
    ("file", "prefix"),
    [
        ("07a_render_human", "human"),
        ("07b_render_object_mesh", "object"),
        ("07c_render_object_points", "points"),
    ],
)
def test_cameras(golden, file, prefix):
    stored = golden(file)
    flip = torch.tensor([-1.0, -1.0, 1.0])
    for view in range(4):
        camera = camera_of(stored[f"{prefix}_camera"][view], 96)
        rotation = flip[:, None] * tensor(stored[f"{prefix}_camera_R"][view]).T
        translation = flip * tensor(stored[f"{prefix}_camera_T"][view])
        pose = camera.camera_from_world
        torch.testing.assert_close(pose[:3, :3], rotation, atol=3e-7, rtol=0)
        torch.testing.assert_close(pose[:3, 3], translation, atol=5e-7, rtol=0)


def test_view_tables(golden):
    human, things = golden("07a_render_human"), golden("07c_render_object_points")
    for specs, table in (
        (HUMAN_VIEWS, human["human_camera"]),
        (OBJECT_VIEWS, things["points_camera"]),
    ):
        ours = [(s.distance, s.elevation_deg, s.azimuth_deg, s.shift_x, s.shift_y) for s in specs]
        np.testing.assert_allclose(np.array(ours), table)
    lights = np.array([(0.0, 0.0, spec.light_z) for spec in HUMAN_VIEWS])
    np.testing.assert_allclose(human["human_light"], lights)
    for specs, name in ((HUMAN_VIEWS, "human_camera"), (OBJECT_VIEWS, "object_camera")):
        told = golden("02_interactvlm")[name]
        ours = torch.stack([spec.normalized() for spec in specs])
        torch.testing.assert_close(ours, tensor(told), atol=1e-7, rtol=0)


def check_render(stored: dict, prefix: str, mesh: Mesh, size: int):
    for view in range(4):
        camera = camera_of(stored[f"{prefix}_camera"][view], size)
        listed = visible_pixels(mesh, camera)
        ours = listed.to_fragments()
        face = tensor(stored[f"{prefix}_pix_to_face"][view])
        weight = tensor(stored[f"{prefix}_barycentric"][view])
        clear = (weight > 1e-3).all(-1) | (face < 0)
        assert torch.equal(ours.face_index[clear], face[clear])
        same = (ours.face_index == face) & (face >= 0)
        assert float((ours.face_index == face)[face >= 0].float().mean()) >= 0.999
        depth = tensor(stored[f"{prefix}_zbuf"][view])
        torch.testing.assert_close(ours.barycentric[same], weight[same], atol=1e-3, rtol=0)
        torch.testing.assert_close(ours.depth_m[same], depth[same], atol=1e-4, rtol=0)
        light = PhongLight(tuple(stored[f"{prefix}_light"][view].tolist()))
        image = render_phong(mesh, camera, listed, light)
        agree = same | (face < 0)
        expected = tensor(stored[f"{prefix}_image_float"][view])
        torch.testing.assert_close(image[agree], expected[agree], atol=1e-4, rtol=0)
        bytes_ = torch.from_numpy(stored[f"{prefix}_image_uint8"][view]).int()
        assert int((to_uint8(image).int() - bytes_)[agree].abs().max()) <= 1
        assert torch.equal(bytes_.sum(-1) < 765, face >= 0)
        surface = PixelSurfaceMap.from_visible([listed], mesh.faces, mesh.num_vertices)
        vertices = tensor(stored[f"{prefix}_pixel_to_vertices"][view])
        assert torch.equal(surface.vertex_of_pixel[0][agree], vertices[agree])


def test_human_renders(golden):
    stored = golden("07a_render_human")
    mesh = Mesh(tensor(stored["human_vertices"]), tensor(stored["human_faces"]))
    normals = vertex_normals(mesh.vertices, mesh.faces)
    torch.testing.assert_close(normals, tensor(stored["human_vertex_normals"]), atol=1e-6, rtol=0)
    mesh = mesh.with_colors(normals_as_colors(mesh.vertices, mesh.faces))
    check_render(stored, "human", mesh, 128)


def test_object_mesh_renders(golden):
    stored = golden("07b_render_object_mesh")
    raw = Mesh(tensor(stored["object_vertices_raw"]), tensor(stored["object_faces"]))
    mesh = normalize_object_mesh(raw)
    expected = tensor(stored["object_vertices"])
    torch.testing.assert_close(mesh.vertices, expected, atol=1e-6, rtol=0)
    colors = nocs_colors(mesh.vertices)
    torch.testing.assert_close(colors, tensor(stored["object_vertex_colors"]), atol=1e-6, rtol=0)
    check_render(stored, "object", mesh.with_colors(colors), 96)


def test_object_point_renders(golden):
    stored = golden("07c_render_object_points")
    cloud = normalize_object_points(PointCloud(tensor(stored["points_raw"])))
    points = tensor(stored["points"])
    torch.testing.assert_close(cloud.points, points, atol=1e-6, rtol=0)
    colors = nocs_colors(points)
    torch.testing.assert_close(colors, tensor(stored["point_colors"]), atol=1e-6, rtol=0)
    radius = float(stored["points_radius"][0])
    for view in range(4):
        camera = camera_of(stored["points_camera"][view], 96)
        pixels = splat(PointCloud(points), camera, radius_ndc=radius)
        index = torch.full((96 * 96, 10), -1)
        index[pixels.pixel_index] = pixels.point_index
        same = (index.view(96, 96, 10) == tensor(stored["points_idx"][view])).all(-1)
        # Discs whose rim passes a pixel centre, or two points equally far, may go either way.
        assert float(same.float().mean()) > 0.999
        nearest = tensor(stored["pixel_to_point"][view])
        assert torch.equal(pixels.nearest_point()[same], nearest[same])
        image = composite(pixels, colors)
        expected = tensor(stored["points_image_float"][view])
        torch.testing.assert_close(image[same], expected[same], atol=1e-4, rtol=0)
        if view == 0:
            distance = torch.full((96 * 96, 10), -1.0)
            distance[pixels.pixel_index] = pixels.squared_distance
            theirs = tensor(stored["points_dists"][0])
            torch.testing.assert_close(
                distance.view(96, 96, 10)[same], theirs[same], atol=1e-6, rtol=0
            )


def human_map(stored: dict) -> PixelSurfaceMap:
    return PixelSurfaceMap.from_dense(
        tensor(stored["human_pixel_to_vertices"]),
        tensor(stored["human_barycentric"]),
        len(stored["human_vertices"]),
    )


def test_human_lift_and_gradient(golden):
    stored = golden("03_lifting")
    surface = human_map(stored)
    human = torch.tensor(
        [
            "oafford" not in n and "ocontact" not in n and n != "vqa"
            for n in stored["human_dataset_names"].tolist()
        ]
    )
    logits = tensor(stored["human_logits"]).requires_grad_()
    expected = tensor(stored["human_vertex_probability"])
    rows = human & (expected.abs().sum(1) > 0)
    assert int(rows.sum()) == 2
    lifted = lift_human_logits(surface, logits)
    torch.testing.assert_close(lifted[rows], expected[rows], atol=1e-6, rtol=0)
    cotangent = tensor(stored["human_cotangent"])[rows]
    (gradient,) = torch.autograd.grad((lifted[rows] * cotangent).sum(), logits)
    torch.testing.assert_close(
        gradient[rows], tensor(stored["human_logits_gradient"])[rows], atol=1e-6, rtol=0
    )
    assert torch.equal(surface.seen, tensor(stored["human_vertex_seen"]))


def test_original_human_lift(golden):
    stored = golden("03_lifting")
    lifted = lift_human_logits_original(human_map(stored), tensor(stored["human_logits"]))
    expected = tensor(stored["human_vertex_old"]).float()
    rows = expected.sum(1) > 0
    assert torch.equal(lifted[rows], expected[rows])


def test_human_masks(golden):
    stored = golden("03_lifting")
    contact = torch.zeros(len(stored["human_vertices"]))
    contact[tensor(stored["human_contact_vertices"])] = 1.0
    for least in (1, 2, 3):
        mask = human_map(stored).masks_from_vertices(contact, min_vertices=least) * 255
        assert torch.equal(mask, tensor(stored[f"human_mask_min_vertices_{least}"]).float())


def test_object_lift_and_gradient(golden):
    stored = golden("03_lifting")
    surface = PixelSurfaceMap.from_dense(
        tensor(stored["object_pixel_to_vertices"]),
        tensor(stored["object_barycentric"]),
        len(stored["object_vertices"]),
    )
    logits = tensor(stored["object_logits"]).requires_grad_()
    lifted = lift_object_logits(surface, logits)
    expected = tensor(stored["object_vertex_probability"])[0]
    torch.testing.assert_close(lifted, expected, atol=1e-6, rtol=0)
    (gradient,) = torch.autograd.grad(
        (lifted * tensor(stored["object_cotangent"])[0]).sum(), logits
    )
    theirs = tensor(stored["object_logits_gradient"])
    torch.testing.assert_close(gradient, theirs, atol=1e-6, rtol=0)
    assert not lift_object_logits(surface, torch.full_like(logits, -5.0)).any()
    assert not stored["object_vertex_probability_all_negative"].any()


def test_point_lift_and_heat(golden):
    stored = golden("03_lifting")
    point = tensor(stored["pixel_to_point"])[..., None]
    surface = PixelSurfaceMap.from_dense(point, torch.ones(point.shape), len(stored["points"]))
    values = tensor(stored["point_maps_probability"]).requires_grad_()
    lifted = surface.lift(values)
    torch.testing.assert_close(lifted, tensor(stored["point_value"]), atol=1e-6, rtol=0)
    (gradient,) = torch.autograd.grad((lifted * tensor(stored["point_cotangent"])).sum(), values)
    theirs = tensor(stored["point_maps_gradient"])
    torch.testing.assert_close(gradient, theirs, atol=1e-6, rtol=0)
    heat = surface.masks_from_vertices(tensor(stored["point_affordance"]), soft=True)
    torch.testing.assert_close(heat, tensor(stored["affordance_heat"]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("prefix", ["human", "object"])
def test_maps_of_our_own_rasteriser(golden, prefix):
    """The lifting maps again, from the stored meshes instead of the stored maps."""
    stored = golden("03_lifting")
    mesh = Mesh(tensor(stored[f"{prefix}_vertices"]), tensor(stored[f"{prefix}_faces"]))
    specs, distance = (HUMAN_VIEWS, 2.0) if prefix == "human" else (OBJECT_VIEWS, 1.5)
    views = [visible_pixels(mesh, spec.camera(64, distance)) for spec in specs]
    surface = PixelSurfaceMap.from_visible(views, mesh.faces, mesh.num_vertices)
    theirs = tensor(stored[f"{prefix}_pixel_to_vertices"])
    same = (surface.vertex_of_pixel == theirs).all(-1)
    assert float(same.float().mean()) > 0.9999
    weight = tensor(stored[f"{prefix}_barycentric"])
    seen = same & surface.valid
    torch.testing.assert_close(surface.weight_of_pixel[seen], weight[seen], atol=1e-3, rtol=0)
