"""Recipes on a minute model in the released layout and tiny copies of the published data."""

import csv
import dataclasses
import json
import random

import pytest
import torch
from PIL import Image

from interactvlm.assets_dir import assets_dir
from interactvlm.checkpoints.convert import Conversion, convert
from interactvlm.cli import main as cli
from interactvlm.errors import AssetError, InputError
from interactvlm.language import merged_weight
from interactvlm.model import InteractVLM
from interactvlm.questions import begun_answer, body_question, object_question
from interactvlm.tokens import IGNORED
from interactvlm.training import finetune
from interactvlm.training.base_model import load_base, make_trainable
from interactvlm.training.recipe_data import RecipeSampler
from interactvlm.training.recipe_objective import RecipeObjective
from interactvlm.training.recipes import RECIPES, FinetuneConfig
from interactvlm.training.schedule import linear_factor
from tests.interactvlm.ball_body import patch
from tests.interactvlm.checkpoints.conftest import (  # noqa: F401 - fixtures
    clip_folder,
    clip_state,
    publish,
    sentence_pieces,
)
from tests.interactvlm.data import make_tiny

SIZE_PX = 64


@pytest.fixture
def base(publish, clip_folder, tmp_path):  # noqa: F811
    """Converts a tiny release: "lisa", "damon", "joint" or "2d"."""

    def base(kind="lisa", dtype=None):
        changes = {
            "lisa": {"sizes": {"camera": "none"}, "architectures": ["LISAForCausalLM"],
                     "token_type": None, "cam_encoder_type": None},
            "damon": {},
            "joint": {"sizes": {"splitter": True}},
            "2d": {"sizes": {"camera": "none"}, "multiview_channels": 1},
        }[kind]  # fmt: skip
        folder = tmp_path / f"base-{kind}"
        release = publish("bin", dtype=dtype, name=f"release-{kind}", **changes)
        convert(Conversion(release.folder, folder, clip_folder))
        config = json.loads((folder / "config.json").read_text())
        config |= {"view_resolution_px": SIZE_PX, "lift_resolution_px": SIZE_PX}
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return base


@pytest.fixture
def root(tmp_path, ball_body, monkeypatch):
    """Tiny copies of everything the recipes read, with contact that lies together."""
    near = [torch.nonzero(patch(ball_body, c, 0.4)).flatten().tolist() for c in (2000, 4000)]

    def vertices(seed, count):
        return near[seed % 2][: 3 if count == 3 else None]  # three are paired with faces

    monkeypatch.setattr(make_tiny, "vertices", vertices)
    labels = [
        {"chair": near[0]}, {"tennis_racket": near[1]}, {"bench": near[0], "dining_table": near[1]},
    ]  # fmt: skip
    monkeypatch.setattr(make_tiny, "DAMON_LABELS", labels)
    folder = tmp_path / "datasets"
    damon = make_tiny.make_damon(folder / "damon", split="train")
    grounded = [{"foot_ground": near[1], **row} for row in labels]
    make_tiny.dump(grounded, damon / "train/contact_label_objectwise_wFootGround.pkl")
    for stem, label in (("vcoco_000000000001", "chair"), ("hake_3", "bench")):
        mask = damon / f"train/contact_render_2d/{label}/{stem}_contact_mask.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("L", (64, 48))
        picture.paste(255, (20, 10, 40, 30))
        picture.save(mask)
    make_tiny.make_3dir(folder / "3dir")
    make_tiny.make_piad(folder / "piad")
    make_tiny.make_pico(folder / "pico")
    listing = folder / "pico/test/test_imglist.pkl"
    listing.rename(folder / "pico/train_imglist.pkl")
    make_tiny.make_rich(folder / "rich")
    for name in ("img_list", "contact_vertices"):
        (folder / f"rich/{name}_val.pkl").rename(folder / f"rich/{name}_train.pkl")
    vqa = make_tiny.make_hoi_vqa(folder / "hoi-vqa")
    make_tiny.photo(vqa / "damon/train/images/b.jpg")
    make_tiny.photo(vqa / "lemon/images_vqa/x.jpg")
    (vqa / "hoi_vqa/piad_seen.json").write_text((vqa / "hoi_vqa/lemon.json").read_text())
    make_tiny.photo(vqa / "piad_ocontact_seen/images_vqa/x.jpg")
    return folder


def settings(tmp_path, base, root, **changes):
    given = {
        "recipe": "hcontact-damon", "base": base, "root": root, "out": tmp_path / "run",
        "steps": 4, "batch": 2, "warmup": 1, "rate": 3e-3, "precision": "fp32", "device": "cpu",
        "log_every": 1, "save_every": 2,
    }  # fmt: skip
    return FinetuneConfig(**given | changes)


def rows_of(folder):
    """Terms of every logged step."""
    with (folder / "log.csv").open() as stream:
        return [
            {k: float(v) for k, v in (t.split("=") for t in row["terms"].split())}
            for row in csv.DictReader(stream)
        ]


def state_of(folder):
    return InteractVLM.from_pretrained(folder).state_dict()


def photo():
    return Image.effect_noise((64, 48), 80).convert("RGB")


TERMS = {
    "hcontact-damon": {"body_vertices"},
    "hcontact-wScene": {"body_vertices"},
    "oafford-lemon-piad": {"heat_square", "object_vertices"},
    "hcontact-ocontact": {"body_vertices", "object_vertices"},
    "2d-hcontact": set(),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_steps_on_one_batch_lower_its_loss(recipe, tmp_path, base, root, monkeypatch):
    real, terms = RecipeSampler.draw, TERMS[recipe]
    count = 6 if len(RECIPES[recipe].groups) > 1 else 2
    monkeypatch.setattr(RecipeSampler, "draw", lambda self, step, n: real(self, 3, n))
    config = settings(tmp_path, base("lisa"), root, recipe=recipe, steps=16, batch=count, rate=3e-2)
    config = dataclasses.replace(config, keep_objects=recipe == "oafford-lemon-piad")
    finetune.main(config)
    assert (config.out / "objects").is_dir() == config.keep_objects
    rows = rows_of(config.out)
    assert len(rows) == 16 and {"words", "mask_focal", "mask_dice", *terms} <= rows[0].keys()
    assert rows[-1]["words"] < rows[0]["words"]
    contact = [row["total"] - row["words"] for row in rows]
    assert min(contact[-3:]) < 0.95 * contact[0]


def test_only_what_the_recipe_learns_moves_and_the_folder_answers(tmp_path, base, root):
    start, config = base("damon"), None
    config = settings(tmp_path, start, root, batch=3)
    folder = finetune.main(config)
    before, after = state_of(start), state_of(folder)
    assert before.keys() == after.keys()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    kinds = ("q_proj", "v_proj", "embed_tokens", "lm_head", "token_projection", "feat_lift",
             "localizer.mask_decoder")  # fmt: skip
    assert all(any(kind in key for key in moved) for kind in kinds)
    llama = "language.llama.model.layers"
    learned = ("embed_tokens", "lm_head", "token_projection.", "feat_lift.", "mask_decoder.")
    for key in moved:
        adapted = key.startswith(llama) and key.endswith(("q_proj.weight", "v_proj.weight"))
        assert adapted or any(part in key for part in learned), key
    model = InteractVLM.from_pretrained(folder)
    (contact,) = model.predict_contact(photo(), ["chair"])
    assert contact.topology == "smplh" and bool(contact.vertex_probability.isfinite().all())
    told = json.loads((folder / "training.json").read_text())
    assert told["recipe"]["part_dropout"] == 0.5 and told["data"] == [
        "DAMON train (body): 4 of 4 samples"
    ]


def test_a_killed_run_ends_with_the_same_weights(tmp_path, base, root, monkeypatch):
    start = base("damon")
    whole = finetune.main(settings(tmp_path, start, root, accumulate=2))
    config = settings(tmp_path, start, root, accumulate=2, out=tmp_path / "killed")
    real, calls = RecipeObjective.__call__, []

    def dies(self, *arguments):
        calls.append(None)
        if len(calls) == 6:  # in the third step, after the checkpoint of the second
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(RecipeObjective, "__call__", dies)
    with pytest.raises(KeyboardInterrupt):
        finetune.main(config)
    monkeypatch.setattr(RecipeObjective, "__call__", real)
    resumed = finetune.main(config)
    first, second = state_of(whole), state_of(resumed)
    for key, value in first.items():
        torch.testing.assert_close(value, second[key], rtol=0, atol=0, msg=key)
    with pytest.raises(InputError, match="recipe"):
        finetune.main(dataclasses.replace(config, rate=0.5))


def test_a_damaged_checkpoint_is_one_sentence(tmp_path, base, root):
    config = settings(tmp_path, base("damon"), root, steps=2)
    finetune.main(config)
    (config.out / finetune.CHECKPOINT_FILE).write_bytes(b"no checkpoint")
    with pytest.raises(AssetError, match="delete it to begin anew"):
        finetune.main(config)


def test_half_precision_bases_learn_in_float32_and_are_stored_as_they_were(tmp_path, base, root):
    start = base("damon", dtype=torch.bfloat16)
    model = load_base(start, RECIPES["hcontact-damon"], "cpu")
    assert {p.dtype for p in make_trainable(model)} == {torch.float32}
    assert model.localizer.image_encoder.pos_embed.dtype == torch.bfloat16
    folder = finetune.main(settings(tmp_path, start, root, steps=2, precision="bf16"))
    assert {value.dtype for value in state_of(folder).values()} == {torch.bfloat16}
    assert rows_of(tmp_path / "run")[0]["total"] > 0


def test_lisa_gets_cameras_and_the_joint_recipe_two_tokens(base, root):
    start = base("lisa")
    lisa = InteractVLM.from_pretrained(start)
    model = load_base(start, RECIPES["hcontact-ocontact"], "cpu")
    local, tokens = model.config.localizer, model.config.tokens
    assert (local.feat_lift, local.num_views, local.splitter_width) == ("featlift", 4, 128)
    assert (tokens.human, tokens.object) == ("[HSEG]", "[OSEG]") and "[SEG]" in tokens.more
    assert model.config.answers_on == "body" and lisa.config.answers_on == "photo"
    rows = model.language.llama.model.embed_tokens.weight
    assert len(rows) == len(lisa.language.llama.model.embed_tokens.weight) + 2
    assert torch.equal(rows[model.tokenizer.human_id], rows[lisa.tokenizer.human_id])
    spread = model.feat_lift.views[0].weight
    assert 0.01 < float(spread.detach().std()) < 0.03
    assert not bool(model.feat_lift.views[0].bias.any())
    text = "[HSEG] and [OSEG] of [SEG]"
    assert model.tokenizer.encode(text).count(model.tokenizer.human_id) == 1


def test_a_joint_release_keeps_its_tokens_and_weights(base, root):
    start = base("joint")
    model = load_base(start, RECIPES["hcontact-ocontact"], "cpu")
    before = InteractVLM.from_pretrained(start).state_dict()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_adapters_are_the_published_ones(base):
    model = load_base(base("damon"), RECIPES["hcontact-damon"], "cpu")
    make_trainable(model)
    layers = [m for m in model.modules() if hasattr(m, "lora_A")]
    assert len(layers) == 2 * model.config.language.layers
    assert {m.scaling["default"] for m in layers} == {2.0}
    assert all(m.lora_A["default"].weight.shape[0] == 8 for m in layers)
    assert torch.equal(merged_weight(layers[0]), layers[0].base_layer.weight)  # they begin at 0


def test_words_alone_have_no_masks_and_count_in_the_mean(base, root):
    recipe = RECIPES["hcontact-wScene"]
    recipe = dataclasses.replace(recipe, precision="fp32")
    model = load_base(base("damon"), recipe, "cpu")
    objective = RecipeObjective(model, recipe)
    sampler = RecipeSampler(recipe, root, 0, skip_missing=False)
    drawn = [d for step in range(30) for d in sampler.draw(step, 1)]
    body = next(d for d in drawn if d.truth == "body")
    words = next(d for d in drawn if d.truth == "words")
    alone = objective([body], random.Random(0))
    both = objective([body, words], random.Random(0))
    assert set(objective([words], random.Random(0))) == {"words"}
    for name in ("mask_focal", "mask_dice"):
        torch.testing.assert_close(both[name], alone[name] / 2, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(both["body_vertices"], alone["body_vertices"], rtol=1e-4, atol=1e-6)


def test_surfaces_are_averaged_over_their_own_kind(base, root):
    """As the published total: a body beside an object does not make the object count less."""
    recipe = dataclasses.replace(RECIPES["hcontact-ocontact"], precision="fp32")
    model = load_base(base("joint"), recipe, "cpu")
    objective = RecipeObjective(model, recipe)
    sampler = RecipeSampler(recipe, root, 0, skip_missing=False)
    drawn = [d for step in range(30) for d in sampler.draw(step, 1)]
    body = next(d for d in drawn if d.truth == "body")
    mesh = next(d for d in drawn if d.truth == "object" and not d.sample.entry.affordance)
    points = next(d for d in drawn if d.truth == "object" and d.sample.entry.affordance)

    def terms(*batch):
        return objective(list(batch), random.Random(0))

    alone, three = terms(points), terms(points, mesh, body)
    torch.testing.assert_close(three["heat_square"], alone["heat_square"], rtol=1e-3, atol=1e-6)
    surfaces = terms(mesh)["object_vertices"] + alone["object_vertices"]
    torch.testing.assert_close(three["object_vertices"], surfaces, rtol=1e-3, atol=1e-6)
    focal = (terms(mesh)["mask_focal"] + alone["mask_focal"] + terms(body)["mask_focal"]) / 3
    torch.testing.assert_close(three["mask_focal"], focal, rtol=1e-2, atol=1e-5)


def test_the_published_numbers():
    damon, joint = RECIPES["hcontact-damon"], RECIPES["hcontact-ocontact"]
    assert [g.rate for g in joint.groups] == [9, 9, 5, 2]
    assert [g.rate for g in RECIPES["hcontact-wScene"].groups] == [9, 3, 1]
    assert (damon.rate, damon.steps, damon.batch, damon.warmup) == (3e-4, 15_000, 8, 100)
    assert (damon.lora.rank, damon.lora.alpha, damon.lora.dropout) == (8, 16.0, 0.05)
    assert damon.groups[0].parts[0].min_vertices == 2 and damon.part_dropout == 0.5


def test_samples_are_drawn_by_rate_and_step(root):
    sampler = RecipeSampler(RECIPES["hcontact-wScene"], root, 0, skip_missing=False)
    drawn = [d for step in range(100) for d in sampler.draw(step, 13)]
    shares = {
        "scene of rich": sum(d.sample.entry.key.startswith(("Gym", "Hall")) for d in drawn) / 1300,
        "words": sum(d.truth == "words" for d in drawn) / 1300,
    }
    assert shares["scene of rich"] == pytest.approx(3 / 13, abs=0.04)
    assert shares["words"] == pytest.approx(1 / 13, abs=0.03)
    again = RecipeSampler(RECIPES["hcontact-wScene"], root, 0, skip_missing=False)
    keys = [d.sample.entry.key for d in sampler.draw(7, 5)]
    assert keys == [d.sample.entry.key for d in again.draw(7, 5)]


def test_questions_are_those_asked_later(base, root):
    recipe = RECIPES["oafford-lemon-piad"]
    model = load_base(base("damon"), recipe, "cpu")
    objective = RecipeObjective(model, recipe)
    (drawn,) = RecipeSampler(recipe, root, 0, skip_missing=False).draw(0, 1)
    asked = {objective.turns(drawn, random.Random(i))[0][0] for i in range(60)}
    label = drawn.sample.entry.label.lower()
    assert object_question(model.config, label, "affordance") in asked
    told = {objective.turns(drawn, random.Random(i))[0][1] for i in range(60)}
    assert all(drawn.sample.entry.affordance in text for text in told)
    begun = begun_answer(model.config, drawn.sample.entry.affordance, "affordance")
    assert f"{begun} {model.config.tokens.object}" in told
    human = RECIPES["hcontact-damon"]
    body = RecipeObjective(model, human)
    (drawn,) = RecipeSampler(human, root, 0, skip_missing=False).draw(0, 1)
    turns = [body.turns(drawn, random.Random(i))[0] for i in range(200)]
    assert body_question(model.config, drawn.sample.entry.label) in {asked for asked, _ in turns}
    named = sum("left" in told or "torso" in told or "head" in told or "right" in told
                for _, told in turns)  # fmt: skip
    assert 60 < named < 140  # half of the answers name parts


@pytest.mark.parametrize(
    ("name", "start", "jobs"),
    [
        ("hcontact-damon", "damon", ("body",)),
        ("oafford-lemon-piad", "damon", ("affordance",)),
        ("hcontact-ocontact", "joint", ("body", "object", "affordance")),
    ],
)
def test_a_model_says_what_its_recipe_taught(base, name, start, jobs):
    model = load_base(base(start), RECIPES[name], "cpu")
    assert model.config.trained_for == jobs
    assert bool(model.config.affordance_question) == ("affordance" in jobs)


def test_a_conversation_of_several_turns_is_learned_in_its_answers(base):
    tokenizer = InteractVLM.from_pretrained(base("damon")).tokenizer
    ids, labels = tokenizer.conversation([("one", "first"), ("two", "second")], "llava_v1")
    text = tokenizer.decode(ids)
    assert text.count("USER:") == 2 and text.count("ASSISTANT:") == 2
    learned = [i for i, label in zip(ids, labels, strict=True) if label != IGNORED]
    assert tokenizer.decode(learned).split() == ["first", "second"]
    assert learned.count(tokenizer.eos_id) == 2
    assert len(ids) == len(labels)


def test_the_rate_rises_then_falls_to_nothing():
    assert linear_factor(0, 1000, 100) == 0.01 and linear_factor(99, 1000, 100) == 1.0
    assert linear_factor(550, 1000, 100) == 0.5 and linear_factor(1000, 1000, 100) == 0.0


def test_photos_that_are_not_here(tmp_path, base, root):
    (root / "damon/train/images/hake_3.jpg").unlink()
    config = settings(tmp_path, base("damon"), root, steps=1)
    with pytest.raises(AssetError, match=r"2 of 4 photos of DAMON.*--skip-missing"):
        finetune.main(config)
    finetune.main(dataclasses.replace(config, skip_missing=True))


def test_data_without_what_is_learned(tmp_path, base, root):
    (root / "3dir/lemon_ocontact/lemon_lookup_results_train.pkl").unlink()
    (root / "piad/Seen/piad_lookup_results_Train.pkl").unlink()
    sampler = RecipeSampler(RECIPES["oafford-lemon-piad"], root, 0, skip_missing=False)
    with pytest.raises(AssetError, match="what is learned from it"):
        sampler.draw(0, 1)


def test_wrong_bases_are_one_sentence_each(tmp_path, base, root):
    for start, error, said in (
        (assets_dir() / "mini", InputError, "converted LISA or InteractVLM"),
        (tmp_path / "nothing", AssetError, "model folder expected"),
    ):
        with pytest.raises(error, match=said):
            finetune.main(settings(tmp_path, start, root))
    with pytest.raises(InputError, match="marks contact on the photo"):
        finetune.main(settings(tmp_path, base("damon"), root, recipe="2d-hcontact"))
    with pytest.raises(AssetError, match="convert it first"):
        finetune.main(settings(tmp_path, tmp_path / "release-damon", root))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recipe", "hcontact"], "known are hcontact-damon"),
        (["--recipe=hcontact-damon", "--base", "x", "--root", "nowhere"], "is not here"),
        (["--recipe", "hcontact-damon", "--base", "x", "--steps", "0"], "steps must be positive"),
        (["--recipe", "hcontact-damon", "--base", "x", "--accumulate", "0"], "accumulate must"),
    ],
)
def test_wrong_commands_are_one_sentence(arguments, said, capsys):
    assert cli.main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_the_command_trains(tmp_path, base, root, capsys):
    arguments = ["--base", str(base("2d")), "--root", str(root), "--out", str(tmp_path / "run"),
                 "--steps", "1", "--batch", "1", "--device", "cpu"]  # fmt: skip
    assert cli.main(["train", "--recipe", "2d-hcontact", *arguments]) == 0
    folder = tmp_path / "run/weights"
    assert str(folder) in capsys.readouterr().out
    (contact,) = InteractVLM.from_pretrained(folder).predict_photo_contact(photo(), ["chair"])
    assert contact.pixel_probability.shape == (48, 64)
