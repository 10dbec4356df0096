"""No page of Flower answers without a login, and with a certificate Flower speaks TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[1] / "files" / "flowerconfig.py"

# Asks Flower for each of its pages and prints what it answers without a login, with a wrong one and with it.
FLOWER = r"""
import base64, json, re, sys
from celery import Celery
from flower.app import Flower
from flower.options import options
from flower.urls import handlers, settings
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.options import parse_config_file
from tornado.testing import bind_unused_port

options.basic_auth = ["flower:secret"]
parse_config_file(sys.argv[1])

def header(login):
    return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}

async def ask():
    sockets, port = bind_unused_port()
    server = HTTPServer(Flower(capp=Celery(broker="memory://"), options=options, events=object(), **settings))
    server.add_sockets([sockets])
    client = AsyncHTTPClient()
    found = {}
    for handler in handlers:
        pattern = handler.regex.pattern if hasattr(handler, "regex") else handler[0]
        path = re.sub(r"\(\.[+*]\)|\.\*", "x", pattern.rstrip("$")).replace("/?", "")
        for login in ("", "flower:wrong", "flower:secret") if path in sys.argv else ("", "flower:wrong"):
            for method in ("GET", "POST"):
                answer = await client.fetch(
                    f"http://127.0.0.1:{port}/{path.lstrip('/')}", method=method, headers=header(login),
                    body=b"" if method == "POST" else None, raise_error=False, follow_redirects=False,
                )
                found[f"{method} {path} {login}".strip()] = answer.code
    print(json.dumps(found))

IOLoop.current().run_sync(ask)
"""


@pytest.fixture(scope="module")
def statuses() -> dict[str, int]:
    command = [
        sys.executable,
        "-c",
        FLOWER,
        str(CONFIG),
        "/metrics",
        "/healthcheck",
        "/api/worker/shutdown/x",
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_no_page_answers_without_the_login(statuses: dict[str, int]) -> None:
    wrong = {page: status for page, status in statuses.items() if not page.endswith("flower:secret")}
    assert len(wrong) > 100
    answered = {page for page, status in wrong.items() if status < 300}
    assert answered == {"GET /logout", "GET /logout flower:wrong"}


@pytest.mark.parametrize("page", ["/metrics", "/healthcheck"])
def test_pages_that_flower_leaves_open_answer_with_it(statuses: dict[str, int], page: str) -> None:
    assert statuses[f"GET {page} flower:secret"] == 200
    assert statuses[f"GET {page}"] == statuses[f"GET {page} flower:wrong"] == 401


# Prints where the certificate is that Flower was told, and what it sends with the page of the workers.
TLS = r"""
import asyncio, base64, json, sys
from celery import Celery
from flower.app import Flower
from flower.command import extract_settings, settings
from flower.options import options
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.options import parse_config_file
from tornado.testing import bind_unused_port

options.basic_auth = ["flower:secret"]
parse_config_file(sys.argv[1])
extract_settings()

async def ask():
    sockets, port = bind_unused_port()
    app = Flower(capp=Celery(broker="memory://"), options=options, **settings)
    HTTPServer(app).add_sockets([sockets])
    login = {"Authorization": "Basic " + base64.b64encode(b"flower:secret").decode()}
    return await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/", headers=login, raise_error=False)

answer = asyncio.run(ask())
headers = {name.lower(): value for name, value in answer.headers.get_all()}
print(json.dumps([settings.get("ssl_options"), answer.code, headers]))
"""


@pytest.mark.parametrize("path", ["", "/etc/airflow/flower.pem"])
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("transport", ["", "max-age=31536000"])
def test_flower_says_what_holds_for_https(path: str, *, secure: bool, transport: str) -> None:
    options = {
        "FLOWER_CERTIFICATE": path,
        "FLOWER_SECURE_COOKIES": "True" if secure else "",
        "FLOWER_STRICT_TRANSPORT_SECURITY": transport,
    }
    environment = os.environ | {f"AIRFLOW__LAKEHOUSE__{name}": value for name, value in options.items()}
    command = [sys.executable, "-c", TLS, str(CONFIG)]
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=120
    )
    tls, status, headers = json.loads(done.stdout.splitlines()[-1])
    assert status == 200
    assert tls == ({"certfile": path, "keyfile": path} if path else None)
    assert headers.get("strict-transport-security") == (transport or None)
    assert ("secure" in headers["set-cookie"].lower()) is secure


def test_flower_stops_no_worker(statuses: dict[str, int]) -> None:
    assert statuses["POST /api/worker/shutdown/x flower:secret"] == 403
