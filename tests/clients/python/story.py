"""Claims about a server, each checked by a real client and told as one line of JSON.

A story is a file with a `Story` and claims: what works, what is refused with 400 and a parameter's name, what is not
there (404). `run_story(STORY)` at its end makes it a program:

    STORY.py --list                  tells the claims, without a server
    STORY.py BASE_URL KEY [PART..]   checks them, or those whose names hold one of the parts

Where TRUNKLINE_FAKES is set, the server's models are fakes, and claims that need real ones are left out.
"""

import asyncio
import inspect
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

# How long one check may take on a busy machine without a GPU, seconds.
PATIENCE = 150


@dataclass(frozen=True)
class Server:
    """Where the server is, and the key it knows."""

    base_url: str
    key: str

    @property
    def origin(self) -> str:
        """The base URL without `/v1`."""
        return self.base_url.removesuffix("/v1")

    @property
    def websocket_url(self) -> str:
        """The base URL for WebSockets."""
        return "ws" + self.base_url.removeprefix("http")


@dataclass(frozen=True)
class Claim:
    """What is checked: of which endpoint, what is to happen, and how it is found out."""

    endpoint: str
    text: str
    outcome: str
    needs_models: bool
    check: Callable
    param: str | None = None


class Story:
    """The claims of one client, in the order of the file."""

    def __init__(self, client: str):
        self.client = client
        self.claims: list[Claim] = []

    def works(self, endpoint: str, text: str, *, models: bool = False):
        """The check passes when it raises nothing. `models`: only real models can do this."""
        return self._claim(endpoint, text, "works", models)

    def refused(self, endpoint: str, text: str, *, param: str | None):
        """The check passes when the client raises a 400 that names `param`."""
        return self._claim(endpoint, text, "refused", False, param)

    def absent(self, endpoint: str, text: str):
        """The check passes when the client raises a 404 for the route."""
        return self._claim(endpoint, text, "absent", False)

    def _claim(self, endpoint, text, outcome, models, param=None):
        def keep(check):
            self.claims.append(Claim(endpoint, text, outcome, models, check, param))
            return check

        return keep


def run_story(story: Story) -> None:
    """Does what the command line says, and ends with 1 if a claim did not hold."""
    if sys.argv[1:2] == ["--list"]:
        for claim in story.claims:
            tell(story, claim)
        return
    server = Server(sys.argv[1].rstrip("/"), sys.argv[2])
    parts = sys.argv[3:]
    with_fakes = bool(os.environ.get("TRUNKLINE_FAKES"))
    broken = 0
    for claim in story.claims:
        if with_fakes and claim.needs_models:
            continue
        if parts and not any(part in f"{claim.endpoint} {claim.text}" for part in parts):
            continue
        began = time.monotonic()
        failure, note = failure_of(claim, server)
        seconds = round(time.monotonic() - began, 2)
        tell(story, claim, ok=failure is None, detail=failure or note, seconds=seconds)
        broken += failure is not None
    sys.stdout.flush()
    # Threads and tasks that a client library leaves behind must not keep the program.
    os._exit(1 if broken else 0)


def tell(story: Story, claim: Claim, **result) -> None:
    line = {"client": story.client, "endpoint": claim.endpoint, "check": claim.text, "outcome": claim.outcome}
    line["needs_models"] = claim.needs_models
    print(json.dumps(line | result), flush=True)


def failure_of(claim: Claim, server: Server) -> tuple[str | None, str]:
    """Why a claim does not hold, and what else there is to tell."""
    try:
        with time_limit():
            answer = claim.check(server)
            if inspect.isawaitable(answer):
                answer = asyncio.run(as_coroutine(answer))
    except Exception as error:  # noqa: BLE001 whatever a client raises is the finding
        return (None if is_expected(claim, error) else describe(error)), ""
    if claim.outcome != "works":
        return "no error was raised", ""
    return None, answer if isinstance(answer, str) else ""


async def as_coroutine(awaitable):
    return await awaitable


def is_expected(claim: Claim, error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    if claim.outcome == "refused":
        return status == 400 and getattr(error, "param", None) == claim.param
    return claim.outcome == "absent" and status in (404, 405)


def describe(error: BaseException) -> str:
    """The error, its parts where it is a group, and the line of the story where it was raised."""
    inner = getattr(error, "exceptions", None)
    if inner:
        return " | ".join(describe(each) for each in inner)
    text = f"{type(error).__name__}: {error}"
    if (cause := error.__cause__) is not None:
        text += f" (from {type(cause).__name__}: {cause})"
    if getattr(error, "param", None):
        text += f" (param {error.param})"
    here = Path(__file__).parent
    frame, place = error.__traceback__, ""
    while frame is not None:
        path = Path(frame.tb_frame.f_code.co_filename)
        if path.parent == here and path.name != "story.py":
            place = f" at {path.name}:{frame.tb_lineno}"
        frame = frame.tb_next
    return text[:1500] + place


class time_limit:
    """Raises `TimeoutError` in the main thread when a check takes too long."""

    def __enter__(self):
        def too_long(_signal, _frame):
            raise TimeoutError(f"not done after {PATIENCE} s")

        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(PATIENCE)

    def __exit__(self, *_):
        signal.alarm(0)


def expect(holds, what) -> None:
    """Fails the check with `what` was seen."""
    if not holds:
        raise AssertionError(str(what)[:1200])
