"""Objects of scenes never change: shipped weights and the benchmark were made from these draws."""

import hashlib

import numpy as np
import pytest

from object_retrieval.procedural.objects import (
    CATEGORIES,
    UNSEEN_CATEGORIES,
    build_object,
    object_from_name,
)

NAMES = ("train/0003", "train/4095", "test/0100")
FROZEN = {
    "chair": "df00283de49a5706 bf16f81ac89be330 012be7110f0d640d",
    "stool": "db0c70dfa41d1ab0 82366912e4d95aae b9758dbc14a60eb4",
    "bench": "575ece3b4c5c44e8 35a031aefd026df5 96d0b82b428b337c",
    "sofa": "a771879d1babcce6 1a3dd529eea95234 03296a828e1cc7c6",
    "bed": "b5a4f1efc2fdef45 004865442c405b70 4bdee1633bfd434b",
    "table": "80ea5ddbb6835c38 0c9d64808031732c 7af81abad8542918",
    "laptop": "eae7fcabac5a242f 6156ee706e27389a f33b6eedc6b074a1",
    "cup": "8d50f9deab94e554 7644d78e7bb1b092 d515c8089b4bbb67",
    "bottle": "e79045ab2e8f611a 1690a7dbff86d11a f6781b4e6237b23e",
    "backpack": "165d80bf7accb322 20708d314e814087 b518a9e39954da3f",
    "suitcase": "1c45336df0177080 75fb0eba6438c4f1 096e1f5eb4b2b565",
    "umbrella": "b07518b47b9d2aa4 1d8be293b6c2979e d444c751183c976e",
    "ball": "33626255b91f549a 714eac5c4f00f6b4 f5ea44f0658bdb1b",
    "bat": "8cf31e06d13f34a8 aa78b5baf34155c0 66802a851bd16662",
    "bicycle": "f14a5eaaba463269 2346650144aa9820 7b4020ab78ccd123",
    "skateboard": "9a935de7a9c93af3 44a960f461e9d945 2209158181177f57",
    "box": "ec00196c626f59e5 17d511954fccf6bf 95d8e5739fc5b512",
    "trolley": "dbcf243b2710eb02 300405cb345acfd5 f2cc6e57ee26a197",
    "scooter": "1dedac94c22dc547 04e625e0be4a318c 4a4f553dbb620105",
    "barrel": "37572d081d9d1404 f4055d1a6a6ad03c f7bbe4b5ebeac2d1",
    "guitar": "26b692420799ab35 c89dfebd073de577 e8abb52bccff7861",
    "surfboard": "fcbae8abc33494e8 4b003e31d55853a0 a712ac9b0d26bfbd",
    "racket": "a02fa34dadc17082 1979d5bdb924bf0b 095199af914caa1e",
    "bucket": "29c0aaf3072594c5 60eea8288e1c73af 24aa185fc799c2d9",
}
"""Of every name in `NAMES`, computed when the first weights were trained."""


def surface_hash(instance) -> str:
    """Of all corners, in whole micrometres (libraries differ in the last bit), and triangles."""
    digest = hashlib.sha256()
    for primitive in instance.primitives:
        vertices, faces = primitive.mesh()
        digest.update(np.round(vertices * 1e6).astype("<i8").tobytes())
        digest.update(faces.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("category", FROZEN)
def test_objects_of_scenes_are_what_they_were(category):
    found = [surface_hash(object_from_name(f"{category}/{name}")) for name in NAMES]
    assert " ".join(found) == FROZEN[category]


def test_scenes_are_made_of_the_same_categories_in_the_same_order():
    assert list(FROZEN) == [*CATEGORIES, *UNSEEN_CATEGORIES]
    assert UNSEEN_CATEGORIES == ("scooter", "barrel", "guitar", "surfboard", "racket", "bucket")


def test_a_seed_draws_the_same_instances():
    rng = np.random.default_rng(11)
    assert [build_object("chair", rng).name for _ in range(3)] == [
        "chair/train/0548",
        "chair/train/0526",
        "chair/train/3264",
    ]
