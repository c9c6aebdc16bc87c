"""A small scene with known truth: a person standing behind a chair, hands at its back."""

import numpy as np
import torch
import trimesh
from PIL import Image
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from hoi_fit.similarity import Similarity
from hoi_fit.starts import CAMERA_FROM_UPRIGHT
from human_recovery.anny_body import AnnyBody
from human_recovery.body_state import BodyInCamera, BodyState, camera_from_upright
from interactvlm.object_file import fine_mesh
from interactvlm.reconstruction.placing import placed
from interactvlm.reconstruction.scene import Scene, ShapeCandidate
from interactvlm.results import ContactMap
from renders.camera import Camera
from renders.mesh import Mesh
from renders.rasterizer import rasterize

SIDE_PX = 96
TRUTH = Similarity(
    CAMERA_FROM_UPRIGHT @ Rotation.from_euler("y", 35, degrees=True).as_matrix(),
    np.array([0.1, 0.45, 2.4]),
)


def as_mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(
        torch.tensor(np.array(shape.vertices), dtype=torch.float32),
        torch.tensor(np.array(shape.faces)).long(),
    )


def chair() -> Mesh:
    """A seat, a back and one armrest, y up."""
    parts = [
        trimesh.creation.box((0.5, 0.06, 0.45)),
        trimesh.creation.box((0.5, 0.5, 0.05)).apply_translation((0, 0.25, -0.2)),
        trimesh.creation.box((0.05, 0.25, 0.4)).apply_translation((0.25, 0.12, 0)),
    ]
    return as_mesh(trimesh.util.concatenate(parts))


def build_scene() -> Scene:
    """The scene with all that is true of it."""
    camera = Camera(
        torch.tensor([[110.0, 0, SIDE_PX / 2], [0, 110.0, SIDE_PX / 2], [0, 0, 1]]),
        torch.eye(4), SIDE_PX, SIDE_PX,
    )  # fmt: skip
    model = AnnyBody("fast")
    rotations = model.rest_rotations()[0]
    rotations[0] = camera_from_upright("z")
    state = BodyState(
        "anny-fast", model.neutral_shape()[0], rotations, torch.tensor([0.0, 0.3, 2.8])
    )
    body = BodyInCamera("anny-fast", state.vertices_camera(model), camera, state)
    mesh = fine_mesh(chair(), edge_share=0.1)
    thing = placed(mesh, TRUTH)
    away_body = KDTree(thing.vertices.numpy()).query(body.vertices_m.numpy())[0]
    away_thing = KDTree(body.vertices_m.numpy()).query(thing.vertices.numpy())[0]
    contact = torch.zeros(len(body.vertices_m))
    contact[np.argsort(away_body)[:20]] = 1.0
    heat = torch.zeros(mesh.num_vertices)
    heat[np.argsort(away_thing)[:40]] = 1.0
    person = rasterize(Mesh(body.vertices_m, model.faces), camera)
    object_seen = rasterize(thing, camera)
    front = object_seen.covered & ~(person.covered & (person.depth_m < object_seen.depth_m))
    return Scene(
        photo=Image.fromarray(np.full((SIDE_PX, SIDE_PX, 3), 128, np.uint8)),
        camera=camera,
        body=body,
        label="chair",
        object_mask=front,
        candidates=(ShapeCandidate("chair.obj", "file", mesh, 0.1, heat=heat),),
        person_mask=person.covered & ~front,
        contact=ContactMap(
            contact, "anny-fast", "chair", 0.5, torch.ones(len(contact), dtype=torch.bool)
        ),
        notes=("made for a test",),
    )
