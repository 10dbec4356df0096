"""DAG bundles and connections of Git."""

from __future__ import annotations

import json
from typing import Any

import pytest
from filter.bundles import bundle_errors, git_connection_errors

CLASSPATH = "airflow.providers.git.bundles.git.GitDagBundle"
ARGUMENTS = {"tracking_ref": "main", "repo_url": "https://git.example.org/a.git"}
SSH_ARGUMENTS = {**ARGUMENTS, "repo_url": "git@git.example.org:a.git", "git_conn_id": "a"}
LONG = "Zx8-qT2_vB5"
EXTRA = {"private_key": f"{LONG}\n", "strict_host_key_checking": "yes", "known_hosts_file": "/etc/known"}


def bundle(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "classpath": CLASSPATH, "kwargs": ARGUMENTS, **fields}


@pytest.mark.parametrize(
    "bundles",
    [
        [],
        [bundle(), bundle(name="b.c-d")],
        [bundle(kwargs=SSH_ARGUMENTS)],
        [bundle(kwargs={**ARGUMENTS, "subdir": "a/b", "sparse_dirs": ["a"], "submodules": True})],
        [bundle(kwargs={**ARGUMENTS, "refresh_interval": 300})],
        [bundle(classpath="company.bundles.Bundle", kwargs={"anything": [1]})],
    ],
)
def test_good_bundles(bundles: Any) -> None:
    assert bundle_errors(bundles, ["dags-folder"]) == []


@pytest.mark.parametrize(
    ("bundles", "said"),
    [
        ("a", "it is not a list"),
        ({"name": "a"}, "it is not a list"),
        (["a"], "bundle 1 is not a mapping of name, classpath, kwargs"),
        ([{"name": "a", "classpath": CLASSPATH}], "'a' is not a mapping of name, classpath, kwargs"),
        ([bundle(team="x")], "'a' is not a mapping of"),
        ([bundle(name="dags-folder")], "has a name that another bundle has"),
        ([bundle(), bundle()], "has a name that another bundle has"),
        ([bundle(name="../a")], "is not made of letters"),
        ([bundle(name="a\n")], "is not made of letters"),
        ([bundle(name=".git")], "is not made of letters"),
        ([bundle(name=1)], "bundle 1 has a name"),
        ([bundle(classpath="GitDagBundle")], "classpath that is not like"),
        ([bundle(classpath="a.b; import os")], "classpath that is not like"),
        ([bundle(classpath=None)], "classpath that is not like"),
        ([bundle(kwargs=[])], "kwargs that are not a mapping"),
        ([bundle(kwargs={"name": "b"})], "a name or a version in kwargs"),
        (
            [bundle(kwargs={**ARGUMENTS, "branch": "main"})],
            "has branch in kwargs, which Airflow's Git provider",
        ),
        ([bundle(kwargs={"tracking_ref": "main"})], "has no repo_url"),
        ([bundle(kwargs={"repo_url": "https://git.example.org/a"})], "has no tracking_ref"),
        (
            [bundle(kwargs={**ARGUMENTS, "tracking_ref": 3.1})],
            "has tracking_ref in kwargs, which is not text",
        ),
        ([bundle(kwargs={**ARGUMENTS, "subdir": "../b"})], "subdir in kwargs, which is not a directory"),
        ([bundle(kwargs={**ARGUMENTS, "subdir": "/b"})], "subdir in kwargs, which is not a directory"),
        ([bundle(kwargs={**ARGUMENTS, "sparse_dirs": "a"})], "sparse_dirs in kwargs, which is not a list"),
        ([bundle(kwargs={**ARGUMENTS, "submodules": "yes"})], "submodules in kwargs, which is not true"),
        ([bundle(kwargs={**ARGUMENTS, "refresh_interval": True})], "refresh_interval in kwargs, which"),
        ([bundle(kwargs={**ARGUMENTS, "refresh_interval": "5m"})], "refresh_interval in kwargs, which"),
        ([bundle(kwargs={**ARGUMENTS, "repo_url": f"https://u:{LONG}@git/a"})], "has a login in repo_url"),
        ([bundle(kwargs={**ARGUMENTS, "repo_url": "ssh://git@git/a"})], "by SSH and has no git_conn_id"),
        ([bundle(kwargs={**ARGUMENTS, "repo_url": "git@git:a"})], "by SSH and has no git_conn_id"),
    ],
)
def test_bad_bundles(bundles: Any, said: str) -> None:
    (error,) = bundle_errors(bundles, ["dags-folder"])
    assert said in error
    assert LONG not in error


@pytest.mark.parametrize(
    "connection",
    [
        {"conn_type": "git", "login": "u", "password": LONG},
        {"conn_type": "http", "extra": {"private_key": LONG}},
        {"conn_type": "git", "extra": EXTRA},
        {"conn_type": "git", "host": "git@git:a", "extra": json.dumps(EXTRA)},
        json.dumps({"conn_type": "git", "extra": EXTRA}),
        "http://u:p@example.org/?private_key=x",
        # A key of an app, with which it asks for tokens.
        {"conn_type": "git", "extra": {"private_key": LONG, "github_app_id": 1}},
    ],
)
def test_good_connections(connection: Any) -> None:
    environments = {"airflow_environment": {"AIRFLOW_CONN_B": connection, "OTHER": 1}, "broken": "x"}
    assert git_connection_errors([bundle(kwargs=SSH_ARGUMENTS)], environments, "broken", "/etc/known") == []


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"conn_type": "git", "extra": {**EXTRA, "strict_host_key_checking": True}}, "must have strict_host"),
        (
            {"conn_type": "git", "extra": {**EXTRA, "strict_host_key_checking": "accept-new"}},
            "must have strict",
        ),
        (
            {"conn_type": "git", "host": "ssh://git/a", "extra": {"known_hosts_file": "x"}},
            "must have strict_host",
        ),
        (
            {"conn_type": "git", "extra": {**EXTRA, "known_hosts_file": ""}},
            "must have known_hosts_file: /etc/k",
        ),
        ({"conn_type": "git", "extra": {**EXTRA, "private_key": LONG}}, "without the line break"),
        (f"git://u@git/?private_key={LONG}%0A&known_hosts_file=x", "must have strict_host"),
        ('git://u@git/?__extra__={"private_key": "x\\n", "known_hosts_file": "x"}', "must have strict_host"),
    ],
)
def test_bad_connections(connection: Any, said: str) -> None:
    (error,) = git_connection_errors([], {"environment": {"AIRFLOW_CONN_B": connection}}, [], "/etc/known")
    assert error.startswith("the connection AIRFLOW_CONN_B of environment")
    assert said in error
    assert LONG not in error


def test_a_connection_of_a_bundle_by_ssh_is_checked_without_a_key() -> None:
    bundles = [bundle(kwargs=SSH_ARGUMENTS)]
    connections = [{"connection_id": "a", "conn_type": "git"}, {"connection_id": "b", "conn_type": "git"}]
    (error,) = git_connection_errors(bundles, {}, connections, "")
    assert error.startswith("the connection a of airflow_connections must have strict_host_key_checking")
