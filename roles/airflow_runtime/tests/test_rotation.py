"""While the JWT secret is rotated, Airflow takes tokens of both keys by a key set, and by no other."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import jwt
import pytest
from airflow.api_fastapi.auth.tokens import JWTGenerator, JWTValidator, get_sig_validation_args

SOURCE = Path(__file__).parents[3] / "plugins/filter/rotation.py"
OLD, NEW, OTHER = (name * 16 for name in ("old.", "new.", "evil"))


@pytest.fixture(scope="module")
def rotation() -> Any:
    spec = importlib.util.spec_from_file_location("rotation", SOURCE)
    assert spec
    assert spec.loader
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


def token(secret: str, kid: str) -> str:
    generator = JWTGenerator(secret_key=secret, private_key=None, kid=kid, valid_for=60, audience="lab")
    return str(generator.generate({"sub": "task"}))


def test_tokens_of_both_keys_are_valid(
    rotation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(rotation.key_set([NEW, OLD]), encoding="utf-8")
    monkeypatch.setenv("AIRFLOW__API_AUTH__TRUSTED_JWKS_URL", str(path))
    validator = JWTValidator(audience="lab", leeway=0, **get_sig_validation_args())

    def claims(secret: str, kid: str) -> dict[str, Any]:
        return asyncio.run(validator.avalidated_claims(token(secret, kid)))

    for secret in (OLD, NEW):
        assert claims(secret, rotation.key_id(secret))["sub"] == "task"
    for secret, kid in [(OTHER, rotation.key_id(NEW)), (OTHER, rotation.key_id(OTHER)), (OLD, "not-used")]:
        # Airflow 3.2 lets an unknown key surface as it is: the token is refused with status 500.
        with pytest.raises((jwt.InvalidTokenError, KeyError)):
            claims(secret, kid)
