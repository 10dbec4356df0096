"""share_decoders, against the task SDK's own messages."""
# The mends are of private parts.
# ruff: noqa: SLF001

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import lakehouse_worker
import pytest
from airflow.sdk.execution_time import comms, task_runner
from airflow.sdk.execution_time.comms import CommsDecoder, VariableResult


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set to what they are, so that they are put back.
    monkeypatch.setattr(comms, "TypeAdapter", comms.TypeAdapter)
    monkeypatch.setattr(task_runner, "TypeAdapter", task_runner.TypeAdapter)
    lakehouse_worker.share_decoders()


def decoder() -> CommsDecoder[Any, Any]:
    return CommsDecoder(socket=socket.socket())


def rendered() -> dict[str, Any]:
    task: Any = SimpleNamespace(template_fields=("a", "b"), a={"x": [1, None, "two"]}, b=object())
    fields = task_runner._serialize_rendered_fields(task)
    return {**fields, "b": type(fields["b"])}


def test_airflow_alone_builds_them_anew() -> None:
    # When this fails the SDK has been mended, and share_decoders can go.
    assert decoder().body_decoder is not decoder().body_decoder


@pytest.mark.usefixtures("mended")
def test_they_are_shared() -> None:
    assert decoder().body_decoder is decoder().body_decoder


@pytest.mark.usefixtures("mended")
def test_messages_are_read_as_before() -> None:
    message = {"type": "VariableResult", "key": "k", "value": "v"}
    assert decoder().body_decoder.validate_python(message) == VariableResult(key="k", value="v")


def test_templates_are_shown_as_before(request: pytest.FixtureRequest) -> None:
    alone = rendered()
    request.getfixturevalue("mended")
    assert rendered() == alone
