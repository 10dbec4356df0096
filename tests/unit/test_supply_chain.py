"""What `make audit` and `make sbom` make of the locks and of the answers of their tools."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import audit
import pytest
import sbom
import yaml
from locks import locked

ROOT = Path(__file__).parents[2]
LOCKS = [
    *(ROOT / "roles/airflow_runtime/files/locks").glob("*.txt"),
    *(ROOT / "requirements").glob("*.txt"),
]
LOCK = """\
async-timeout==5.0.1 ; python_full_version < '3.11.3' \\
    --hash=sha256:00
    # via redis
deprecated==1.3.1 ; python_full_version < '3.12' \\
    --hash=sha256:01
deprecated==3.0.1+local.1
"""
PACKAGES = ["async-timeout==5.0.1", "deprecated==1.3.1", "deprecated==3.0.1+local.1"]
CLEAN = {"name": "redis", "version": "8.1.0", "vulns": []}
VULNERABLE = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found"}


def test_the_packages_of_a_lock_are_those_of_all_pythons() -> None:
    assert locked(LOCK) == PACKAGES


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_of_a_lock_has_hashes(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    packages = locked(text)
    assert len(packages) == sum(line[:1] not in {" ", "#", ""} for line in text.splitlines())
    assert len(packages) <= text.count(" \\\n    --hash=sha256:")


def test_the_collections_are_pinned_to_what_is_tested() -> None:
    pinned = yaml.safe_load((ROOT / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    depends = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    assert {entry["name"] for entry in pinned} == set(depends)
    for entry in pinned:
        package = importlib.util.find_spec("ansible_collections." + entry["name"])
        assert package
        assert package.submodule_search_locations
        manifest = Path(next(iter(package.submodule_search_locations))) / "MANIFEST.json"
        assert (
            json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"] == entry["version"]
        )


def test_pip_audit_gets_no_package_twice() -> None:
    assert audit.rounds([*PACKAGES, PACKAGES[0]]) == [PACKAGES[:2], PACKAGES[2:]]


@pytest.mark.parametrize(
    ("answers", "error", "code", "words"),
    [
        ([CLEAN], "", 0, "1 packages: 1 were asked for, 0 vulnerabilities are known"),
        ([VULNERABLE], "", 1, "a 1: PYSEC-1, fixed in 2"),
        ([CLEAN, SKIPPED], "", 2, "1 could not be asked for, for example: Dependency not found"),
        ([VULNERABLE, SKIPPED], "", 1, "1 could not be asked for"),
        (
            [],
            "no route to host",
            2,
            "0 were asked for, 0 vulnerabilities are known\n1 could not be asked for, for example: no route",
        ),
    ],
)
def test_what_could_not_be_asked_is_not_free_of_vulnerabilities(
    answers: list[dict[str, Any]], error: str, code: int, words: str
) -> None:
    lines, found = audit.judge(["a==1"] * max(1, len(answers)), answers, error)
    assert found == code
    assert words in "\n".join(lines)


def test_a_bill_of_materials_that_lacks_a_package_is_found() -> None:
    components = [dict(zip(("name", "version"), package.split("=="), strict=True)) for package in PACKAGES]
    assert sbom.differences(LOCK, {"components": components}) == []
    assert sbom.differences(LOCK, {"components": components[1:]}) == [PACKAGES[0]]
