"""The objects of generated scenes as their camera sees them: truth for reconstruction.

Everything stands in the camera's frame (x right, y down, z forward, metres); objects have y up in
their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from hoi_fit.similarity import Similarity
from human_recovery.body_state import BodyInCamera
from human_recovery.topology import get_topology
from interactvlm.object_file import fine_mesh, y_up
from interactvlm.reconstruction.placing import placed
from interactvlm.reconstruction.scene import (
    CONTACT_EDGE_M,
    Scene,
    ShapeCandidate,
    stands_upright,
)
from interactvlm.results import ContactMap
from interactvlm.synthetic.contact import object_heat
from interactvlm.synthetic.dataset import full_body
from interactvlm.synthetic.posing import PERSON, PosedScene, pose_scene
from interactvlm.synthetic.scene import PlacedObject
from interactvlm.synthetic.shards import SceneRecord, SceneShards
from interactvlm.synthetic.stored_scene import stored_state
from renders.camera import Camera
from renders.mesh import Mesh
from renders.rasterizer import rasterize

_COVERED_M = 0.002
"""A vertex this deep inside another solid of its object is no surface."""
DEFAULT_SIZE_SPREAD = 0.15
"""Of the logarithm of the scale: as for a mesh whose size is only roughly known."""
FINE_PX = 512
"""Side of the true masks. Masks of users' photos are as fine; a stored picture is a quarter of it,
and a pixel of that is 2 % of many an object."""
_Z_FROM_Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Turns an object with y up and its front towards +z into the generator's frame."""


@dataclass(frozen=True, eq=False)
class SeenObject:
    """One touched object in one picture."""

    scene: int
    label: str
    instance: str
    mesh: Mesh
    """Own frame, y up, metres."""
    heat: Float[Tensor, "verts"]
    """1 where the body touches; 0 on vertices inside the object."""
    camera_from_object: Similarity
    mask: Bool[Tensor, "height width"]
    """Its visible pixels in the picture."""
    fine_mask: Bool[Tensor, "rows columns"]
    """The same at the size of the true masks."""

    def placed(self) -> Mesh:
        """The object where it truly stands."""
        return placed(self.mesh, self.camera_from_object)


@dataclass(frozen=True, eq=False)
class SeenScene:
    """One picture with its person and the objects the person touches."""

    index: int
    photo: Image.Image
    fine_camera: Camera
    """At the size of the true masks; its pose is the identity."""
    body: Mesh
    """Of Anny's full topology."""
    contact: dict[str, Bool[Tensor, "verts"]]
    """On the body, per label."""
    fine_covered: Bool[Tensor, "rows columns"]
    """Pixels of the person or any object."""
    objects: tuple[SeenObject, ...]

    def asked(
        self,
        seen: SeenObject,
        contact: ContactMap | None,
        heat: Float[Tensor, "verts"] | None,
    ) -> Scene:
        """The question where one object stands: all true but what is said of contact."""
        shape = ShapeCandidate(
            seen.instance, "truth", seen.mesh, DEFAULT_SIZE_SPREAD, heat=heat,
            upright=stands_upright(seen.label, seen.mesh),
        )  # fmt: skip
        return Scene(
            photo=self.photo.resize((FINE_PX, FINE_PX)),
            camera=self.fine_camera,
            body=BodyInCamera("anny", self.body.vertices, self.fine_camera),
            label=seen.label,
            object_mask=seen.fine_mask,
            candidates=(shape,),
            person_mask=self.fine_covered,
            contact=contact,
        )


def seen_scenes(shards: SceneShards, count: int, least_px: int) -> Iterator[SeenScene]:
    """The first picture of each scene; objects with fewer visible pixels are left out."""
    for index, scene in enumerate(shards.scenes[:count]):
        yield _seen_scene(shards, index, scene, least_px)


def _seen_scene(shards: SceneShards, index: int, scene: SceneRecord, least_px: int) -> SeenScene:
    details = shards.details(scene)
    state = stored_state(details)
    posed = pose_scene(state, full_body())
    world = torch.from_numpy(posed.vertices_world[: posed.num_body_vertices])
    told = details["cameras"][0]
    picture = shards.picture(scene)
    side = picture.rgb.shape[0]
    at = torch.tensor(told["camera_from_world"])
    camera = Camera(torch.tensor(told["intrinsics"]), torch.eye(4), side, side)
    body = Mesh(world @ at[:3, :3].T + at[:3, 3], get_topology("anny").faces)
    truth = torch.from_numpy(shards.contact(scene))
    instance = torch.from_numpy(picture.instance)
    fine_camera = camera.resized(FINE_PX, FINE_PX)
    fine = _fine_instances(posed, at, fine_camera, instance)
    objects = []
    for i, (record, thing) in enumerate(zip(scene.objects, state.objects, strict=True)):
        mask = torch.from_numpy(picture.object_mask(i))
        if record.touched and int(mask.sum()) >= least_px:
            mesh, heat = _with_heat(thing, world)
            pose = _camera_from_object(at.double().numpy(), thing.world_from_object)
            objects.append(
                SeenObject(
                    index, record.label, record.instance, mesh, heat, pose, mask,
                    fine == PERSON + 1 + i,
                )
            )  # fmt: skip
    contact = {r.label: c for r, c in zip(scene.objects, truth, strict=True) if r.touched}
    return SeenScene(
        index, Image.fromarray(picture.rgb), fine_camera, body, contact, fine > 0, tuple(objects)
    )


def _fine_instances(
    posed: PosedScene,
    camera_from_world: Float[Tensor, "4 4"],
    camera: Camera,
    shown: UInt8[Tensor, "height width"],
) -> Int[Tensor, "rows columns"]:
    """What every pixel of a finer picture shows; nothing where `shown`, the picture itself, shows
    none of it: there the foreground hides it."""
    turn, shift = camera_from_world[:3, :3], camera_from_world[:3, 3]
    vertices = torch.from_numpy(posed.vertices_world) @ turn.T + shift
    drawn = rasterize(Mesh(vertices, torch.from_numpy(posed.faces)), camera)
    instance = torch.from_numpy(np.append(posed.instance_of_face, 0))[drawn.face_index.long()]
    near = functional.max_pool2d((shown > 0).float()[None, None], 3, stride=1, padding=1)
    return instance * (functional.interpolate(near, size=instance.shape)[0, 0] > 0)


def _with_heat(
    thing: PlacedObject, body_world: Float[Tensor, "verts 3"]
) -> tuple[Mesh, Float[Tensor, "points"]]:
    """The object with short edges and y up, and the contact at its vertices."""
    fine = fine_mesh(thing.instance.mesh().mesh, longest_edge=CONTACT_EDGE_M)
    pose = np.asarray(thing.world_from_object)
    heat = object_heat(
        fine.vertices.numpy() @ pose[:3, :3].T + pose[:3, 3], body_world, get_topology("anny").faces
    )
    outside = thing.instance.signed_distance(fine.vertices) > -_COVERED_M
    mesh = Mesh(y_up(fine.vertices, "z"), fine.faces)
    return mesh, torch.from_numpy(heat).float() * outside


def _camera_from_object(
    camera_from_world: Float[np.ndarray, "4 4"], world_from_object: Float[np.ndarray, "4 4"]
) -> Similarity:
    whole = camera_from_world @ world_from_object.astype(np.float64)
    return Similarity(whole[:3, :3] @ _Z_FROM_Y_UP, whole[:3, 3])
