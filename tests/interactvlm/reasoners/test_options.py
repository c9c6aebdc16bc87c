"""Which reasoner the flags and variables name, and every combination that cannot be."""

import pytest

from interactvlm.errors import AssetError, InputError
from interactvlm.reasoners.options import (
    KEY_VARIABLE,
    MODEL_VARIABLE,
    URL_VARIABLE,
    ReasonerFlags,
    checked_options,
    completions_url,
    is_this_machine,
)


def test_without_flags_no_variable_sends_a_photo_anywhere():
    everything = {URL_VARIABLE: "http://h/v1", MODEL_VARIABLE: "m", KEY_VARIABLE: "k"}
    assert checked_options(ReasonerFlags(), everything) is None
    assert checked_options(ReasonerFlags(offline=True), everything) is None


def test_flags_come_before_variables_and_variables_fill_in():
    environment = {URL_VARIABLE: "https://e.example/v1", MODEL_VARIABLE: "m", KEY_VARIABLE: " k "}
    by_model = checked_options(ReasonerFlags(model="other", samples=5), environment, seed=3)
    assert by_model is not None
    assert by_model.url == "https://e.example/v1/chat/completions"
    assert (by_model.model, by_model.key, by_model.samples, by_model.seed) == ("other", "k", 5, 3)
    by_url = checked_options(ReasonerFlags(url="http://h:8000"), environment)
    assert by_url is not None
    assert (by_url.url, by_url.model) == ("http://h:8000/v1/chat/completions", "m")
    named = ReasonerFlags(url="http://h", model="m", key_variable="MINE")
    with_key = checked_options(named, {"MINE": "secret"})
    assert with_key is not None and with_key.key == "secret" and "secret" not in repr(with_key)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/chat/completions"),
        ("http://localhost:8000/", "http://localhost:8000/v1/chat/completions"),
        ("https://h/api/v2/", "https://h/api/v2/chat/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1/chat/completions"),
    ],
)
def test_completions_url(base, expected):
    assert completions_url(base) == expected


@pytest.mark.parametrize(
    "base",
    ["", "localhost:8000", "ftp://h", "http://", "http://h:port", "file:///etc/passwd",
     "http://user:secret@h", "http://h/v1?key=secret", "http://h/#secret", "http://[::1"],
)  # fmt: skip
def test_other_addresses_are_refused_without_showing_secrets(base):
    with pytest.raises(InputError) as caught:
        completions_url(base)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"model": "m"}, "--reasoner-url or set"),
        ({"url": "http://h"}, "--reasoner-model or set"),
        ({"url": "http://h", "model": "m", "samples": 0}, "between 1 and 50"),
        ({"url": "http://h", "model": "m", "samples": 51}, "between 1 and 50"),
        ({"url": "http://h", "model": "m", "timeout_s": 0.0}, "--reasoner-timeout"),
        ({"url": "http://h", "model": "m", "timeout_s": float("nan")}, "--reasoner-timeout"),
        ({"url": "http://h", "model": "m", "key_variable": "UNSET"}, "'UNSET', which is not set"),
        ({"url": "http://h", "model": "m", "offline": True}, "only an endpoint on this machine"),
        ({"reasoner": "a/b", "url": "http://h"}, "--reasoner-url an endpoint"),
        ({"reasoner": "a/b", "model": "m"}, "--reasoner-model an endpoint"),
        ({"samples": 3}, "--samples belongs"),
        ({"timeout_s": 3.0}, "--reasoner-timeout belongs"),
        ({"key_variable": "K"}, "--reasoner-key-variable belongs"),
    ],
)
def test_flags_that_cannot_be_are_told(flags, expected):
    with pytest.raises(InputError, match=expected):
        checked_options(ReasonerFlags(**flags), {})


def test_a_key_no_header_may_hold_is_refused_unseen():
    flags = ReasonerFlags(url="http://h", model="m")
    with pytest.raises(InputError, match=KEY_VARIABLE) as caught:
        checked_options(flags, {KEY_VARIABLE: "geheim\nX-Evil: 1"})
    assert "geheim" not in str(caught.value)


def test_offline_allows_an_endpoint_on_this_machine():
    flags = ReasonerFlags(url="http://localhost:8000", model="m", offline=True)
    assert checked_options(flags, {}) is not None
    assert is_this_machine("http://127.0.0.5/v1") and is_this_machine("http://[::1]/v1")
    assert not is_this_machine("http://localhost.evil.example/v1")


def test_a_folder_or_a_hub_id(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for source in (str(tmp_path), "Qwen/Qwen2.5-VL-3B-Instruct"):
        options = checked_options(ReasonerFlags(reasoner=source), {})
        assert options is not None and options.source == source


@pytest.mark.parametrize(
    "source", ["./nowhere", "/no/such/folder", "nowhere", "a/b/c", "~/x", "a b/c"]
)
def test_a_folder_that_is_not_there_is_an_asset_error(source):
    with pytest.raises(AssetError, match="model folder not found.*hub id"):
        checked_options(ReasonerFlags(reasoner=source), {})


def test_a_folder_without_config_and_a_file_are_told(tmp_path):
    with pytest.raises(AssetError, match="lacks config.json"):
        checked_options(ReasonerFlags(reasoner=str(tmp_path)), {})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file"):
        checked_options(ReasonerFlags(reasoner=str(tmp_path / "file")), {})
