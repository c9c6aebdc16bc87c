"""Any OpenAI-compatible vision endpoint as a reasoner, with the standard library alone.

Speaks chat completions: the photo goes as a JPEG data URL. Waits and asks again where waiting can
help, says in one sentence what is wrong where it cannot. Never shows, logs or stores the key, and
never follows a redirect, which would carry the key elsewhere. Knows no contact.
"""

import base64
import email.utils
import http.client
import io
import json
import logging
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from interactvlm.errors import InputError, ResourceError
from interactvlm.reasoners.interface import ReasonerAnswer
from interactvlm.reasoners.options import ReasonerOptions, is_this_machine

_LOGGER = logging.getLogger(__name__)

ATTEMPTS = 5
"""Requests for one answer before giving up."""
FIRST_WAIT_S = 1.0
"""Before the second request; doubles each time."""
LONGEST_WAIT_S = 60.0
"""One wait; an endpoint that asks for a longer one is given up at once."""
LARGEST_REPLY_BYTES = 8 * 2**20
"""A longer reply is no answer to a question about body parts."""
LONGEST_ANSWER_TOKENS = 1024
"""Room for models that think aloud before they answer."""
SAMPLING_TEMPERATURE = 0.7
"""When several answers are asked for; a single one is asked at 0."""

_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
"""Statuses after which asking again can help."""
_NEWER_NAME = {"max_tokens": "max_completion_tokens"}
_OPTIONAL = ("max_completion_tokens", "max_tokens", "temperature", "seed")
"""Fields of a request that some endpoints refuse; left out or renamed when they do."""


@dataclass(frozen=True)
class _Fault:
    """Why a request gave no answer."""

    message: str
    passing: bool = False
    """Whether asking again can help."""
    retry_after_s: float | None = None
    """How long the endpoint asks to wait."""
    refused_field: str = ""
    """A field of the request that the endpoint does not take."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Turns every redirect into an error with its status."""

    def redirect_request(self, *_: Any) -> None:
        return None


class EndpointReasoner:
    """One model at one address."""

    weights_sha256 = ""

    def __init__(
        self, options: ReasonerOptions, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = f"{options.model} at {options.url}"
        self._options = options
        self._sleep = sleep
        self._refused: set[str] = set()
        # The usual variables (HTTPS_PROXY, NO_PROXY) count, but no proxy reaches this machine.
        direct = [urllib.request.ProxyHandler({})] if is_this_machine(options.url) else []
        self._opener = urllib.request.build_opener(_NoRedirect, *direct)

    def __repr__(self) -> str:
        return f"EndpointReasoner({self.name!r})"

    def ask(self, image: Image.Image, question: str, samples: int) -> list[ReasonerAnswer]:
        """`samples` answers, each its own request.

        Raises:
            InputError: the endpoint refuses the key, the model or the request.
            ResourceError: it cannot be reached, or gave no readable answer in `ATTEMPTS` requests.
        """
        picture = data_url(image)
        return [self._answer(picture, question, samples, at) for at in range(samples)]

    def _answer(self, picture: str, question: str, samples: int, at: int) -> ReasonerAnswer:
        fault = _Fault("nothing was tried")
        attempt = 0
        while attempt < ATTEMPTS:
            reply = self._post(self._payload(picture, question, samples, at))
            if isinstance(reply, ReasonerAnswer):
                return reply
            if reply.refused_field:
                # Not an attempt: the next request differs, and each field is refused only once.
                self._refused.add(reply.refused_field)
                continue
            fault, attempt = reply, attempt + 1
            if not fault.passing:
                raise InputError(f"{fault.message}: {self.name!r}")
            if attempt < ATTEMPTS:
                self._wait(fault, attempt)
        raise ResourceError(
            f"the endpoint gave no answer in {ATTEMPTS} requests, at last: {fault.message}; try "
            f"again later or another --reasoner-url: {self.name!r}"
        )

    def _wait(self, fault: _Fault, attempt: int) -> None:
        """Doubling waits with some chance in them, or as long as the endpoint asks for."""
        wait_s = FIRST_WAIT_S * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
        if fault.retry_after_s is not None:
            wait_s = fault.retry_after_s
        if wait_s > LONGEST_WAIT_S:
            raise ResourceError(
                f"the endpoint asks to wait {wait_s:.0f} s ({fault.message}); at most "
                f"{LONGEST_WAIT_S:.0f} s are waited, ask again then: {self.name!r}"
            )
        _LOGGER.info("%s; asking again in %.1f s", fault.message, wait_s)
        self._sleep(wait_s)

    def _payload(self, picture: str, question: str, samples: int, at: int) -> dict[str, Any]:
        content = [
            {"type": "text", "text": question},
            {"type": "image_url", "image_url": {"url": picture}},
        ]
        payload: dict[str, Any] = {
            "model": self._options.model,
            "messages": [{"role": "user", "content": content}],
        }
        optional = {
            "max_tokens": LONGEST_ANSWER_TOKENS,
            "temperature": 0.0 if samples == 1 else SAMPLING_TEMPERATURE,
            "seed": self._options.seed + at,
        }
        for name, value in optional.items():
            if name in self._refused:
                name = _NEWER_NAME.get(name, "")
            if name and name not in self._refused:
                payload[name] = value
        return payload

    def _post(self, payload: dict[str, Any]) -> ReasonerAnswer | _Fault:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._options.key:
            headers["Authorization"] = f"Bearer {self._options.key}"
        request = urllib.request.Request(
            self._options.url, json.dumps(payload).encode(), headers, method="POST"
        )
        deadline = time.monotonic() + self._options.timeout_s
        try:
            with self._opener.open(request, timeout=self._options.timeout_s) as reply:
                return self._read(_read_until(reply, deadline))
        except urllib.error.HTTPError as error:
            with error:
                return self._fault_of_status(error, payload, deadline)
        except TimeoutError:
            return _Fault(f"no answer within {self._options.timeout_s:g} s", passing=True)
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                return _Fault(f"no answer within {self._options.timeout_s:g} s", passing=True)
            return _Fault(f"it cannot be reached ({self._without_key(error.reason)})", passing=True)
        except (OSError, http.client.HTTPException) as error:
            told = self._without_key(str(error) or type(error).__name__)
            return _Fault(f"the connection broke ({told})", passing=True)

    def _fault_of_status(
        self, error: urllib.error.HTTPError, payload: dict[str, Any], deadline: float
    ) -> _Fault:
        told = self._told_by(error, deadline)
        if error.code in _PASSING:
            wait_s = retry_after_s(error.headers.get("Retry-After"), time.time())
            return _Fault(f"status {error.code}{told}", passing=True, retry_after_s=wait_s)
        if error.code in (400, 422):
            named = next((f for f in _OPTIONAL if f in payload and f in told), "")
            if named:
                return _Fault(f"status {error.code}{told}", refused_field=named)
        advice = {
            401: "the endpoint refuses the key; check the variable that holds it",
            403: "the endpoint refuses the key; check the variable that holds it",
            404: "the endpoint knows no such model or address; check --reasoner-model and "
            "--reasoner-url",
            413: "the endpoint refuses so large a photo",
        }.get(error.code, "the endpoint refuses the request; its model must take images")
        if 300 <= error.code < 400:
            target = self._without_key(error.headers.get("Location", "an unnamed place"))
            advice = f"the endpoint redirects to {target!r}; give that address if you trust it"
        return _Fault(f"{advice} (status {error.code}{told})")

    def _read(self, body: bytes) -> ReasonerAnswer | _Fault:
        """The answer in a reply. An empty answer is an answer; its reader deals with it."""
        text = self._without_key(body.decode("utf-8", "replace"))
        try:
            choice = json.loads(text)["choices"][0]
            content = choice["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            begins = " ".join(text.split())[:60]
            message = f"its reply is no chat completion (it begins with {begins!r})"
            return _Fault(message, passing=True)
        if isinstance(content, list):
            texts = [piece.get("text") for piece in content if isinstance(piece, dict)]
            content = "".join(text for text in texts if isinstance(text, str))
        if content is None:
            content = choice["message"].get("refusal") or ""
        if not isinstance(content, str):
            return _Fault("its reply holds no text", passing=True)
        return ReasonerAnswer(content, finished=choice.get("finish_reason") != "length")

    def _told_by(self, error: urllib.error.HTTPError, deadline: float) -> str:
        """What an error's body says, as ": text", shortened; empty when it says nothing."""
        try:
            body = _read_until(error, deadline).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException, AttributeError):
            return ""
        # Before anything is cut off: half a key would not be recognised.
        body = self._without_key(body)
        try:
            value = json.loads(body)
            inside = value.get("error", value) if isinstance(value, dict) else value
            told = inside.get("message", inside) if isinstance(inside, dict) else inside
        except (ValueError, RecursionError):
            told = re.sub(r"<[^>]*>", " ", body)
        flat = " ".join(str(told).split())
        return f": {flat[:300]}" if flat else ""

    def _without_key(self, text: Any) -> str:
        """A text from outside that cannot hold the key."""
        return str(text).replace(self._options.key, "***") if self._options.key else str(text)


def data_url(image: Image.Image) -> str:
    """A photo as a JPEG data URL."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Seconds to wait as a Retry-After header says, which may be a date; None when it says nothing.

    `now_s` is seconds since 1970.
    """
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now_s)
    except (TypeError, ValueError, OverflowError):
        return None


def _read_until(reply: Any, deadline: float) -> bytes:
    """The body; TimeoutError past the deadline, so that a reply in drops cannot hold us."""
    pieces, size = [], 0
    while piece := reply.read1(2**16):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_REPLY_BYTES:
            raise http.client.HTTPException(f"the reply exceeds {LARGEST_REPLY_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(pieces)
