"""The endpoint reasoner against a server of our own: answers, faults, and the key's secrecy."""

import base64
import io
import logging
import socket
import time
from email.utils import formatdate

import pytest
from PIL import Image

from interactvlm.errors import InputError, ResourceError
from interactvlm.reasoners import endpoint
from interactvlm.reasoners.endpoint import ATTEMPTS, EndpointReasoner, retry_after_s
from interactvlm.reasoners.options import ReasonerOptions, completions_url

KEY = "sk-very-secret-1234567890"
PHOTO = Image.new("RGB", (40, 30), (200, 30, 30))


@pytest.fixture
def waits():
    return []


@pytest.fixture
def reasoner(server, waits):
    options = ReasonerOptions(
        url=completions_url(server.url), model="tiny-vl", key=KEY, timeout_s=5.0, seed=7
    )
    return EndpointReasoner(options, sleep=waits.append)


def error_body(message):
    return b'{"error": {"message": "%s", "type": "x"}}' % message.encode()


def test_the_photo_goes_as_a_data_url_with_the_question_and_the_key(server, reasoner):
    answers = reasoner.ask(PHOTO, "Which parts touch the chair?", 1)
    assert [(a.text, a.finished) for a in answers] == [("left hand", True)]
    asked = server.requests[0]
    text, picture = asked["messages"][0]["content"]
    assert (asked["model"], text["text"]) == ("tiny-vl", "Which parts touch the chair?")
    kind, data = picture["image_url"]["url"].split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as sent:
        assert sent.size == (40, 30)
    assert asked["temperature"] == 0 and asked["seed"] == 7
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert server.paths == ["/v1/chat/completions"]


def test_without_a_key_none_is_sent(server):
    options = ReasonerOptions(url=completions_url(server.url), model="m")
    EndpointReasoner(options).ask(PHOTO, "?", 1)
    assert "Authorization" not in server.headers[0]


def test_several_samples_are_drawn_with_different_seeds(server, reasoner, reply):
    server.replies = [reply("left hand"), reply("right hand"), reply("both hands")]
    answers = reasoner.ask(PHOTO, "?", 3)
    assert [a.text for a in answers] == ["left hand", "right hand", "both hands"]
    assert [asked["seed"] for asked in server.requests] == [7, 8, 9]
    assert all(asked["temperature"] > 0 for asked in server.requests)


@pytest.mark.parametrize(
    ("made", "text", "finished"),
    [
        ({"text": ""}, "", True),
        ({"text": None}, "", True),
        ({"text": None, "message": {"refusal": "I can't help."}}, "I can't help.", True),
        ({"text": "left ha", "finish": "length"}, "left ha", False),
        ({"message": {"content": [{"type": "text", "text": "torso"}]}}, "torso", True),
    ],
)
def test_empty_refused_cut_and_listed_contents_are_answers(
    server, reasoner, reply, made, text, finished
):
    server.replies = [reply(**made)]
    answer = reasoner.ask(PHOTO, "?", 1)[0]
    assert (answer.text, answer.finished) == (text, finished)
    assert len(server.requests) == 1


def test_429_then_success_waits_as_long_as_it_is_told(server, reasoner, reply, waits):
    server.replies = [reply(status=429, body=b"{}", headers={"Retry-After": "3"}), reply("torso")]
    assert reasoner.ask(PHOTO, "?", 1)[0].text == "torso"
    assert waits == [3.0]


def test_500s_until_giving_up_double_their_waits(server, reasoner, reply, waits):
    server.replies = [reply(status=500, body=error_body("out of cards"))]
    with pytest.raises(ResourceError, match="5 requests.*status 500: out of cards.*tiny-vl at"):
        reasoner.ask(PHOTO, "?", 1)
    assert len(server.requests) == ATTEMPTS and len(waits) == ATTEMPTS - 1
    for at, wait_s in enumerate(waits):
        assert 0.75 * 2**at <= wait_s <= 1.25 * 2**at


def test_a_retry_after_beyond_reason_is_not_waited(server, reasoner, reply, waits):
    server.replies = [reply(status=503, body=b"", headers={"Retry-After": "3600"})]
    with pytest.raises(ResourceError, match="asks to wait 3600 s"):
        reasoner.ask(PHOTO, "?", 1)
    assert waits == [] and len(server.requests) == 1


@pytest.mark.parametrize("late", [{"wait_s": 5.0}, {"drip_s": 0.05}])
def test_late_and_dripping_replies_time_out(server, reply, waits, late):
    options = ReasonerOptions(url=completions_url(server.url), model="m", timeout_s=0.2)
    server.replies = [reply("left hand", **late)]
    began = time.monotonic()
    with pytest.raises(ResourceError, match=r"no answer within 0.2 s"):
        EndpointReasoner(options, sleep=waits.append).ask(PHOTO, "?", 1)
    assert time.monotonic() - began < ATTEMPTS * 1.0
    assert len(server.requests) == ATTEMPTS


def test_a_time_out_then_an_answer(server, reply, waits):
    options = ReasonerOptions(url=completions_url(server.url), model="m", timeout_s=0.3)
    server.replies = [reply("late", wait_s=3.0), reply("left hand")]
    assert EndpointReasoner(options, sleep=waits.append).ask(PHOTO, "?", 1)[0].text == "left hand"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>It works!</html>", b'{"choices": []}', b'{"choices": [{"message"', b"null",
        b'{"choices": [{"message": {"content": 3}}]}', b"[]", b"\xff\xfe", b"[" * 5000,
    ],
)  # fmt: skip
def test_malformed_replies_are_asked_again_and_then_told(server, reasoner, reply, waits, body):
    server.replies = [reply(body=body), reply("torso")]
    assert reasoner.ask(PHOTO, "?", 1)[0].text == "torso"
    server.replies = [reply(body=body)]
    with pytest.raises(ResourceError, match="no chat completion|holds no text"):
        reasoner.ask(PHOTO, "?", 1)


def test_an_endless_reply_is_cut_off(server, reasoner, reply, monkeypatch):
    monkeypatch.setattr(endpoint, "LARGEST_REPLY_BYTES", 1000)
    server.replies = [reply("left hand " * 500)]
    with pytest.raises(ResourceError, match="exceeds 1,000 bytes"):
        reasoner.ask(PHOTO, "?", 1)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "refuses the key"),
        (403, "refuses the key"),
        (404, "no such model or address"),
        (413, "so large a photo"),
        (400, "must take images"),
    ],
)
def test_faults_that_waiting_cannot_mend_are_told_at_once(
    server, reasoner, reply, waits, status, expected
):
    server.replies = [reply(status=status, body=error_body("told why"))]
    with pytest.raises(InputError, match=f"{expected}.*status {status}: told why"):
        reasoner.ask(PHOTO, "?", 1)
    assert waits == [] and len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_never_followed(server, reasoner, reply, status):
    elsewhere = f"{server.url}/elsewhere"
    server.replies = [reply(status=status, body=b"", headers={"Location": elsewhere})]
    with pytest.raises(InputError, match=f"redirects to '{elsewhere}'.*status {status}"):
        reasoner.ask(PHOTO, "?", 1)
    assert len(server.requests) == 1 and server.visitors == []


def test_fields_an_endpoint_does_not_know_are_renamed_or_left_out(server, reasoner, reply, waits):
    server.replies = [
        reply(status=400, body=error_body("Unsupported: 'max_tokens'. Use max_completion_tokens.")),
        reply(status=400, body=error_body("'temperature' does not support 0")),
        reply(status=422, body=error_body("extra field seed")),
        reply("left hand"),
    ]
    assert [a.text for a in reasoner.ask(PHOTO, "?", 2)] == ["left hand", "left hand"]
    last = server.requests[-1]
    assert "max_completion_tokens" in last
    assert not {"max_tokens", "temperature", "seed"} & last.keys()
    assert len(server.requests) == 5 and waits == []


def test_a_server_that_refuses_every_field_ends(server, reasoner, reply):
    told = error_body("max_tokens max_completion_tokens temperature seed")
    server.replies = [reply(status=400, body=told)]
    with pytest.raises(InputError, match="refuses the request"):
        reasoner.ask(PHOTO, "?", 1)
    assert len(server.requests) == 5


def test_an_unreachable_endpoint_is_told(waits):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ReasonerOptions(url=completions_url(f"http://127.0.0.1:{port}"), model="m")
    with pytest.raises(ResourceError, match="cannot be reached.*Connection refused"):
        EndpointReasoner(options, sleep=waits.append).ask(PHOTO, "?", 1)


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("filler", [0, 30, 290])
def test_the_key_is_never_shown(server, reasoner, reply, caplog, status, filler):
    caplog.set_level(logging.DEBUG)
    echo = ("x" * filler + f" wrong key {KEY}").encode()
    server.replies = [reply(status=status, body=b'{"error": {"message": "%s"}}' % echo)]
    with pytest.raises((InputError, ResourceError)) as caught:
        reasoner.ask(PHOTO, "?", 1)
    shown = f"{caught.value} {caplog.text} {reasoner!r} {reasoner.name} {reasoner._options!r}"
    assert KEY not in shown and KEY[:12] not in shown


def test_retry_after_reads_seconds_and_dates():
    now = 1_700_000_000.0
    assert retry_after_s("2", now) == 2.0
    assert retry_after_s(" 0.5 ", now) == 0.5
    assert retry_after_s(formatdate(now + 30, usegmt=True), now) == pytest.approx(30, abs=1)
    assert retry_after_s(formatdate(now - 30, usegmt=True), now) == 0.0
    for nonsense in (None, "", "soon", "-3", "9" * 400, "Mon, 99 Foo 2026"):
        assert retry_after_s(nonsense, now) is None
