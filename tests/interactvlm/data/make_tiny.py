"""Tiny synthetic copies of the published data sets, in their formats to the byte.

Everything in them is made up: grey photos, random vertices, boxes as objects. Tests use the
functions; by hand: `python tests/interactvlm/data/make_tiny.py FOLDER [NAME ...]`.
"""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PIAD_AFFORDANCES = 17
POINTS = 40
"""Published objects have 2048."""


def dump(value, path: Path, *, compress: int = 0) -> None:
    """Writes a pickle as the authors do, with joblib; with `pickle` where joblib is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import joblib
    except ImportError:
        path.write_bytes(pickle.dumps(value, protocol=4))
    else:
        joblib.dump(value, path, compress=compress)


def photo(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def save_objects(path: Path, values: list) -> None:
    """A `.npy` of Python objects, which NumPy pickles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    np.save(path, array, allow_pickle=True)


def vertices(seed: int, count: int) -> list[int]:
    return sorted(np.random.default_rng(seed).choice(6890, count, replace=False).tolist())


DAMON_LABELS = [
    {"chair": vertices(1, 30), "supporting": vertices(2, 12), "cup": []},
    {"tennis_racket": vertices(3, 20)},
    {"bench": vertices(4, 50), "dining_table": vertices(5, 9)},
]
"""Three photos, five samples: the empty label is none."""
DAMON_PHOTOS = ["hot/vcoco_000000000001.jpg", "hot/vcoco_000000000002.jpg", "hot/hake_3.jpg"]


def make_damon(root: Path, *, layout: str = "folders", split: str = "test") -> Path:
    """`folders`: as InteractVLM splits it, vertex lists as arrays in a joblib file; `archive`: the
    publisher's npz."""
    for seed, name in enumerate(DAMON_PHOTOS):
        photo(root / split / "images" / Path(name).name, seed)
    if layout == "archive":
        names, labels = np.array(DAMON_PHOTOS, dtype=object), np.empty(3, dtype=object)
        labels[:] = DAMON_LABELS
        union = np.zeros((3, 6890))
        np.savez(
            root / f"hot_dca_{split}.npz", imgname=names, contact_label=union,
            contact_label_objectwise=labels, pose=np.zeros((3, 72)),
        )  # fmt: skip
        return root
    arrays = [{k: np.array(v, dtype=np.int64) for k, v in row.items()} for row in DAMON_LABELS]
    save_objects(root / split / "imgname.npy", DAMON_PHOTOS)
    dump(arrays, root / split / "contact_label_objectwise.pkl")
    return root


def point_lines(seed: int, column: int, prefix: str = "") -> str:
    """A published point file: blanks between fields and one at the end of a line."""
    rng = np.random.default_rng(seed)
    xyz, scores = rng.normal(0, 0.4, (POINTS, 3)), np.zeros((POINTS, PIAD_AFFORDANCES))
    scores[: POINTS // 3, column] = np.linspace(0.2, 1.0, POINTS // 3)
    rows = np.concatenate([xyz, scores], axis=1)
    return "".join(f"{prefix}{' '.join(f'{v:.6f}' for v in row)} \n" for row in rows)


LEMON_PHOTOS = ["Backpack/carry/Backpack_carry_1.jpg", "Chair/sit/Chair_sit_7.jpg"]


def make_3dir(root: Path) -> Path:
    """Two photos and a line of BEHAVE in `val`, one photo in `train` with its look-up file."""
    (root / "txt_scripts").mkdir(parents=True, exist_ok=True)
    behave = "Data/Behave/Images/Date01/t0003_k0_1.jpg"
    points = ["Data/Objects/Backpack/Backpack_3.txt", "Data/Objects/Chair/Chair_2.txt"]
    listed = [f"Data/Images/{name}" for name in LEMON_PHOTOS]
    _write(root / "txt_scripts/val.txt", "\n".join([*listed, behave]) + "\n")
    _write(root / "txt_scripts/Point_val.txt", "\n".join([*points, points[0]]) + "\n")
    _write(root / "txt_scripts/train.txt", listed[1] + "\n")
    for seed, (name, column) in enumerate(zip(LEMON_PHOTOS, (16, 4), strict=True)):
        photo(root / "Images" / name, seed)
        contact = np.zeros((1, 6890), dtype=np.float64)
        contact[0, vertices(seed, 25)] = 1.0
        dump(contact, root / "smplh_contact_pkl" / Path(name).with_suffix(".pkl"))
        _write(root / points[seed].removeprefix("Data/"), point_lines(seed, column))
    unusable = "Objects/Chair/Chair_1.txt"
    _write(root / unusable, point_lines(5, column=0))
    lookup = {f"./data/lemon/Images/{LEMON_PHOTOS[1]}": ["gone.txt", unusable, points[1]]}
    dump(lookup, root / "lemon_ocontact/lemon_lookup_results_train.pkl")
    return root


PIAD_SAMPLES = [("Bag", "lift", 2), ("Chair", "sit", 5), ("StorageFurniture", "open", 3)]


def make_piad(root: Path, *, folder: str = "Seen") -> Path:
    """Three paired test samples; one photo in `Train` with its look-up file."""
    photos, points = [], []
    for number, (label, affordance, column) in enumerate(PIAD_SAMPLES, start=1):
        image = f"Img/Test/{label}/{affordance}/Img_Test_{label}_{affordance}_{number}.jpg"
        cloud = f"Point/Test/{label}/Point_Test_{label}_{number}.txt"
        photo(root / folder / image, number)
        _write(root / folder / cloud, point_lines(number, column, f"a1b2c{number} {label} "))
        photos.append(f"Data/{folder}/{image}")
        points.append(f"Data/{folder}/{cloud}")
    _write(root / folder / "Img_Test.txt", "\n".join(photos) + "\n")
    _write(root / folder / "Point_Test.txt", "\n".join(points) + "\n")
    train = "Img/Train/Bag/lift/Img_Train_Bag_lift_9.jpg"
    photo(root / folder / train, 9)
    _write(root / folder / "Img_Train.txt", f"Data/{folder}/{train}\n")
    dump({train: points[:1]}, root / folder / "piad_lookup_results_Train.pkl")
    return root


BOX = """\
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
f 1 3 2
f 1 4 3
f 5 6 7
f 5 7 8
f 1 2 6
f 1 6 5
f 4 7 3
f 4 8 7
"""


def make_pico(root: Path) -> Path:
    """Two samples, and the list of a test split that holds one of them."""
    for seed, name in enumerate(("skateboard__vcoco_000000000004", "cup__hake_5")):
        folder = root / name
        photo(folder / f"{name}.jpg", seed)
        _write(folder / "object.obj", BOX)
        ids = vertices(seed, 3)
        patches = [
            {
                "name": "objShapeleftfoot",
                "contactPoints": [f"f {i} 0.5 0.25 0.25" for i in (0, 1, 1)],
            },
            {"name": "humanShapeleftfoot", "contactPoints": [f"v {i}" for i in ids]},
            {"name": "humanShapeleftfoottop", "contactPoints": ["v 3259", "v 3285"]},
        ]
        _write(folder / "corresponding_contacts.json", json.dumps({"data": patches}, indent=4))
    dump(["/data/pico/test/images/cup__hake_5.jpg"], root / "test/test_imglist.pkl")
    return root


def make_rich(root: Path) -> Path:
    """Two photos of `val`; one listed with its folder."""
    names = ["Gym_010_cam_3_00012.jpeg", "Hall_002_cam_1_00400.jpeg"]
    contact = {}
    for seed, name in enumerate(names):
        photo(root / "images" / name, seed)
        values = np.zeros(6890, dtype=np.float32)
        values[vertices(seed, 40)] = 1.0
        contact[Path(name).stem if seed else name] = values
    dump([names[0], f"data/rich/images/{names[1]}"], root / "img_list_val.pkl")
    dump(contact, root / "contact_vertices_val.pkl", compress=3)
    return root


RAW_VQA = [
    r"a.jpg,Bed-HVisual: A man, in red.\nHContact: Back and legs.\nInteraction: He lies on it."
    r"\nOVisual: A wide bed.\nOContact: The mattress.",
    r"b.jpg,tennis_racket-**HVisual:** A girl.\n\n**HContact:** Right hand.\n\n**Interaction:** "
    r"She hits.\n\n**OVisual:** Black.\n\n**OContact:** The grip.",
    "c.jpg,Bed-",
    r"d.jpg,Cup-HV: x\nHContact: y",
]
"""Two whole records, an empty one and one with renamed keys, as the published files hold."""


def make_hoi_vqa(root: Path) -> Path:
    """Raw answers for `damon`, conversations for `lemon`."""
    photo(root / "damon/train/images/a.jpg")
    _write(root / "damon_gpt4o.txt", "\n".join(RAW_VQA) + "\n")
    turns = [
        {"from": "human", "value": "<image>\nWhat does the person wear?"},
        {"from": "gpt", "value": "A coat."},
        {"from": "human", "value": "What part of the human's body is in contact with the bed?"},
        {"from": "gpt", "value": "The back."},
    ]
    record = {"id": "0", "image": "x.jpg", "conversations": turns}
    _write(root / "hoi_vqa/lemon.json", json.dumps([record]))
    return root


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


MAKERS = {
    "damon": make_damon,
    "3dir": make_3dir,
    "piad": make_piad,
    "pico": make_pico,
    "rich": make_rich,
    "hoi-vqa": make_hoi_vqa,
}

if __name__ == "__main__":
    target = Path(sys.argv[1])
    for chosen in sys.argv[2:] or MAKERS:
        print(MAKERS[chosen](target / chosen))
