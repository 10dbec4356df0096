"""People reach Airflow and Flower through a proxy with TLS, at a path or not, and sign in by LDAP."""

from __future__ import annotations

import copy
import os
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from testlib import run_playbook, run_site, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testlib import Airflow, Cluster

TIMEOUT = 20
URL = "https://company.test/airflow"
CONFIG = "/etc/airflow/api-server-webserver-config.py"


@pytest.fixture(autouse=True)
def _names_of_the_company(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the controller know the names of the proxy, and its authority."""
    find, proxy = socket.getaddrinfo, cluster.host("servers").address

    def getaddrinfo(host: str, *args: Any, **options: Any) -> Any:
        return find(proxy if str(host).endswith("company.test") else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setitem(os.environ, "REQUESTS_CA_BUNDLE", str(cluster.directory / "people-ca.pem"))


def wait_served(url: str, **options: Any) -> None:
    """Wait until what was restarted answers."""
    wait_for(f"answer at {url}", lambda: requests.get(url, timeout=TIMEOUT, **options).ok, bool, timeout=60)


def sign_in(url: str, username: str, password: str) -> requests.Session:
    """Sign in with the form, as a browser does."""
    session = requests.Session()
    form = session.get(f"{url}/auth/login/", timeout=TIMEOUT)
    (token,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', form.text)
    answer = session.post(
        form.url,
        data={"csrf_token": token, "username": username, "password": password},
        headers={"Referer": form.url},
        timeout=TIMEOUT,
    )
    # FAB allows five in forty seconds.
    assert answer.ok, answer.text
    return session


def directory_password(cluster: Cluster, username: str) -> str:
    return username + str(cluster.variable("ldap_password", ""))


def cookies(session: requests.Session) -> dict[str, tuple[str, bool]]:
    """Return path and Secure of each cookie."""
    return {cookie.name: (cookie.path, cookie.secure) for cookie in session.cookies}


def assert_served(cluster: Cluster, base_url: str, flower_url: str) -> None:
    """Assert that the UI, the API and Flower work at these addresses."""
    url, path = base_url.rstrip("/"), urlsplit(base_url).path.rstrip("/")
    page = requests.get(base_url, timeout=TIMEOUT)
    assert page.ok
    assert f'<base href="{path}/"' in page.text
    # Browsers would keep to it for all else on the host.
    assert page.headers.get("Strict-Transport-Security") == (None if path else "max-age=31536000")

    session = sign_in(url, "analyst", directory_password(cluster, "analyst"))
    assert cookies(session) == dict.fromkeys(("session", "_token"), (f"{path}/", True))
    assert session.get(f"{url}/api/v2/dags", timeout=TIMEOUT).ok

    login = ("flower", cluster.secrets["airflow_flower_password"])
    assert requests.get(flower_url, timeout=TIMEOUT).status_code == 401
    page = requests.get(flower_url, auth=login, timeout=TIMEOUT)
    assert page.ok
    assert ("Strict-Transport-Security" in page.headers) == (not path)
    (script,) = re.findall(r'src="([^"]*/js/flower.js[^"]*)"', page.text)
    assert requests.get(f"https://{urlsplit(flower_url).hostname}{script}", auth=login, timeout=TIMEOUT).ok
    # Flower, which has just been restarted, knows a worker by its next heartbeat.
    wait_for(
        "the worker in Flower",
        lambda: requests.get(f"{flower_url.rstrip('/')}/api/workers", auth=login, timeout=TIMEOUT).json(),
        lambda workers: list(workers) == ["celery@worker1"],
    )


def test_people_reach_both_at_a_path(cluster: Cluster) -> None:
    assert_served(cluster, URL, "https://company.test/flower")


def test_workers_and_schedulers_have_the_address_for_links(cluster: Cluster) -> None:
    for name, unit in (("control", "airflow-scheduler"), ("worker1", "airflow-worker")):
        environment = cluster.host(name).environment(unit)
        assert environment["AIRFLOW__API__BASE_URL"] == URL
        assert (
            environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
            == "http://airflow-api:8080/airflow/execution/"
        )


def test_only_the_proxy_is_believed(cluster: Cluster, airflow: Airflow) -> None:
    """A server that takes a request for one by https marks the cookies that it removes as Secure."""

    def is_https(url: str, **headers: str) -> bool:
        answer = requests.get(f"{url}/auth/logout", headers=headers, allow_redirects=False, timeout=TIMEOUT)
        assert answer.headers["Location"] == f"{URL}/auth/login/"
        return "secure" in re.findall("_token=.*", answer.headers["Set-Cookie"])[0].lower()

    del cluster
    assert is_https(URL)
    assert not is_https(airflow.url, **{"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"})


@pytest.mark.parametrize(
    ("username", "roles", "allowed"),
    [
        ("engineer", {"Admin", "Public"}, [200, 200]),
        ("analyst", {"Viewer", "Public"}, [200, 403]),
        ("guest", {"Public"}, [403, 403]),
    ],
)
def test_users_of_the_directory_have_the_roles_of_their_groups(
    cluster: Cluster, airflow: Airflow, username: str, roles: set[str], allowed: list[int]
) -> None:
    user = type(airflow)(URL, username, directory_password(cluster, username))
    assert {role["name"] for role in airflow.get(f"auth/fab/v1/users/{username}").json()["roles"]} == roles
    assert [user.get(f"api/v2/{path}").status_code for path in ("dags", "connections")] == allowed


def test_wrong_passwords_are_refused(cluster: Cluster, airflow: Airflow) -> None:
    assert "_token" not in sign_in(URL, "analyst", "a wrong password").cookies
    for password in ("a wrong password", directory_password(cluster, "engineer")):
        with pytest.raises(requests.HTTPError, match="401"):
            airflow.token("analyst", password)


def test_the_administrator_signs_in_without_the_directory_by_token_alone(cluster: Cluster) -> None:
    password = cluster.secrets["airflow_admin_password"]
    assert "_token" not in sign_in(URL, "admin", password).cookies
    assert cluster.airflow().token("admin", password)


def test_the_configuration_of_fab_is_on_the_api_server_alone(cluster: Cluster) -> None:
    control = cluster.host("control")
    file = control.file(CONFIG)
    assert (file.user, file.group, file.mode) == ("root", "airflow-api-server", 0o640)
    assert not cluster.host("worker1").file(CONFIG).exists
    journal = control.check_output("journalctl --output=cat --no-pager")
    assert cluster.variable("ldap_password", "") not in journal


def test_a_configuration_that_fails_is_refused_before_a_restart(cluster: Cluster, tmp_path: Path) -> None:
    control, secret = cluster.host("control"), "not_in_quotes_and_never_shown"
    before = control.unit("airflow-api-server")["InvocationID"], control.file(CONFIG).sha256sum
    config = tmp_path / "company.py"
    config.write_text(
        f"AUTH_USER_REGISTRATION = True\nAUTH_LDAP_BIND_PASSWORD = {secret}\n", encoding="utf-8"
    )
    variables = yaml.safe_dump({"airflow_webserver_config": str(config)})
    (tmp_path / "variables.yml").write_text(variables, encoding="utf-8")
    extra = f"--extra-vars=@{tmp_path}/variables.yml"
    result = run_playbook(cluster.inventory, "webservers", extra, "--diff", "-vvv")
    assert result.returncode != 0
    assert "cannot be used on control: company.py:2: NameError. No service was restarted" in result.text
    assert secret not in result.output
    assert (control.unit("airflow-api-server")["InvocationID"], control.file(CONFIG).sha256sum) == before


@pytest.fixture
def _a_host_of_its_own(cluster: Cluster, tmp_path: Path) -> Iterator[None]:
    inventory = copy.deepcopy(cluster.content)
    inventory["vars"] |= {
        "airflow_base_url": "https://airflow.company.test/",
        "airflow_flower_base_url": "https://flower.company.test/",
        # The proxy is let in nevertheless.
        "airflow_firewall_ui_sources": [],
        "airflow_firewall_flower_sources": [],
    }
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
    login = ("flower", cluster.secrets["airflow_flower_password"])
    run_site(path, "--tags=firewall,webservers,flower").assert_success()
    wait_served("https://airflow.company.test/")
    wait_served("https://flower.company.test/api/workers", auth=login)
    yield
    run_site(cluster.inventory, "--tags=firewall,webservers,flower").assert_success()
    wait_served("https://company.test/airflow/")
    wait_served("https://company.test/flower/", auth=login)


@pytest.mark.usefixtures("_a_host_of_its_own")
def test_people_reach_both_at_hosts_of_their_own(cluster: Cluster) -> None:
    assert_served(cluster, "https://airflow.company.test/", "https://flower.company.test/")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{cluster.host('control').address}:8080/", timeout=TIMEOUT)
