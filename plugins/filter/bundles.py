# Copyright: lakehouse.airflow maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter plugins: DAG bundles, as Airflow's ``dag_bundle_config_list`` has them, and connections of Git."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FIELDS = ("name", "classpath", "kwargs")
# A directory of this name holds the bundle.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
CLASSPATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
GIT_CLASS = "airflow.providers.git."
# Arguments of the provider; Airflow leaves out a bundle with another one, and goes on.
GIT_TEXTS = ("tracking_ref", "repo_url", "git_conn_id", "subdir", "view_url_template")
GIT_BOOLEANS = ("submodules", "prune_dotgit_folder")
SSH = re.compile(r"(git\+)?ssh://|[^/@:]+@[^/:]+:")
CREDENTIALS = re.compile(r"https?://[^/]*@")
CONNECTION_VARIABLE = "AIRFLOW_CONN_"


def bundle_errors(bundles: Any, taken: Iterable[str]) -> list[str]:
    """Return what is wrong with DAG bundles.

    :param bundles: meant to be a list of ``{name: …, classpath: …, kwargs: {…}}``
    :param taken: names that others have
    :returns: one sentence for each error; empty if there is none
    """
    if isinstance(bundles, (str, Mapping)) or not isinstance(bundles, Iterable):
        return ["it is not a list"]
    errors, names = [], set(taken)
    for number, bundle in enumerate(bundles, 1):
        name = bundle.get("name") if isinstance(bundle, Mapping) else None
        subject = f"'{name}'" if isinstance(name, str) else f"bundle {number}"
        errors += [f"{subject} {problem}" for problem in bundle_problems(bundle, names)]
        names.add(str(name))
    return errors


def bundle_problems(bundle: Any, names: set[str]) -> Iterator[str]:
    """Return what is wrong with a bundle."""
    if not isinstance(bundle, Mapping) or {*bundle} != {*FIELDS}:
        yield f"is not a mapping of {', '.join(FIELDS)}"
        return
    name, classpath, arguments = (bundle[field] for field in FIELDS)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield "has a name that is not made of letters, digits, '_', '.' and '-'"
    elif name in names:
        yield "has a name that another bundle has"
    if not isinstance(classpath, str) or not CLASSPATH.fullmatch(classpath):
        yield "has a classpath that is not like airflow.providers.git.bundles.git.GitDagBundle"
    elif not isinstance(arguments, Mapping):
        yield "has kwargs that are not a mapping"
    elif {"name", "version"} & {*arguments}:
        yield "has a name or a version in kwargs, which Airflow sets"
    elif classpath.startswith(GIT_CLASS):
        yield from git_problems(arguments)


def git_problems(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Return what is wrong with the arguments of a bundle in Git."""
    for name, value in arguments.items():
        if problem := git_argument_problem(name, value):
            yield f"has {name} in kwargs, which {problem}"
            return
    yield from (f"has no {name} in kwargs" for name in ("tracking_ref", "repo_url") if name not in arguments)
    url = arguments.get("repo_url", "")
    if CREDENTIALS.match(url):
        yield "has a login in repo_url, which belongs into the connection git_conn_id"
    if SSH.match(url) and "git_conn_id" not in arguments:
        yield "is reached by SSH and has no git_conn_id, whose connection has the key"


def git_argument_problem(name: str, value: Any) -> str | None:
    """Return what is wrong with one argument of a bundle in Git."""
    if name in GIT_TEXTS:
        good = isinstance(value, str) and value and not CONTROL.search(value)
        if good and (name != "subdir" or is_inside(value)):
            return None
        return "is not a directory of the repository" if name == "subdir" else "is not text of one line"
    if name in GIT_BOOLEANS:
        return None if isinstance(value, bool) else "is not true or false"
    if name == "refresh_interval":
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return None if whole else "is not a number of seconds, 1 or more"
    if name == "sparse_dirs":
        good = isinstance(value, list) and all(isinstance(item, str) and is_inside(item) for item in value)
        return None if good else "is not a list of directories of the repository"
    return "Airflow's Git provider does not know"


def is_inside(directory: str) -> bool:
    """Return whether a directory is one of the repository."""
    return not directory.startswith("/") and ".." not in directory.split("/")


def git_connection_errors(
    bundles: Any,
    environments: Mapping[str, Any],
    connections: Any,
    known_hosts_file: str,
) -> list[str]:
    """Return which connections would trust a server that nobody knows, without their values.

    :param bundles: the DAG bundles, which are left out if they have errors
    :param environments: by the name of each variable of the inventory, its variables of the environment
    :param connections: those in the database
    :param known_hosts_file: where the keys of the servers are; empty if none are given
    :returns: one sentence for each error; empty if there is none
    """
    reached_by_ssh = {
        bundle["kwargs"]["git_conn_id"].lower()
        for bundle in ([] if bundle_errors(bundles, ()) else bundles)
        if bundle["classpath"].startswith(GIT_CLASS) and SSH.match(bundle["kwargs"]["repo_url"])
    }
    errors = []
    for subject, name, found in all_connections(environments, connections):
        connection = parsed(found)
        if connection.get("conn_type") != "git":
            continue
        extra = mapping(connection.get("extra"))
        is_ssh = (
            name.lower() in reached_by_ssh
            or SSH.match(str(connection.get("host") or ""))
            or ({"private_key", "key_file"} & {*extra} and "github_app_id" not in extra)
        )
        problems = ssh_problems(extra, known_hosts_file) if is_ssh else ()
        errors += [f"the connection {subject} {problem}" for problem in problems]
    return errors


def ssh_problems(extra: Mapping[str, Any], known_hosts_file: str) -> Iterator[str]:
    """Return what is wrong with the extra fields of a connection that uses SSH."""
    if extra.get("strict_host_key_checking") != "yes":
        yield (
            'must have strict_host_key_checking: "yes", with the quotes, in extra:'
            " Airflow's provider trusts a server that nobody knows"
        )
    if known_hosts_file and not extra.get("known_hosts_file"):
        yield f"must have known_hosts_file: {known_hosts_file} in extra, where airflow_git_known_hosts is"
    key = extra.get("private_key")
    if isinstance(key, str) and not key.endswith("\n"):
        yield "has a private_key without the line break at its end, which ssh refuses"


def all_connections(environments: Mapping[str, Any], connections: Any) -> Iterator[tuple[str, str, Any]]:
    """Return how each connection is called in messages, its name, and itself."""
    for source, variables in environments.items():
        if isinstance(variables, Mapping):
            for name, value in variables.items():
                if str(name).startswith(CONNECTION_VARIABLE):
                    yield f"{name} of {source}", str(name).removeprefix(CONNECTION_VARIABLE), value
    for connection in connections if isinstance(connections, list) else ():
        if isinstance(connection, Mapping):
            name = str(connection.get("connection_id"))
            yield f"{name} of airflow_connections", name, connection


def parsed(connection: Any) -> Mapping[str, Any]:
    """Return a connection as a mapping, which may be JSON or a URI."""
    if not isinstance(connection, str) or connection.lstrip().startswith("{"):
        return mapping(connection)
    url = urlsplit(connection)
    query = dict(parse_qsl(url.query))
    extra = mapping(query["__extra__"]) if "__extra__" in query else query
    return {"conn_type": url.scheme.replace("-", "_"), "host": url.hostname, "extra": extra}


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping that may be JSON; empty if it is neither."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    return found if isinstance(found, Mapping) else {}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Return the functions by filter name."""
        return {"bundle_errors": bundle_errors, "git_connection_errors": git_connection_errors}
