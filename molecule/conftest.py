"""Fixtures and reports that the acceptance tests of all scenarios share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import testlib

if TYPE_CHECKING:
    from collections.abc import Generator

PROJECT = testlib.PROJECT
JOURNALS_SHOWN = 3
shown = 0


def tests_directory(config: pytest.Config) -> Path:
    """Return the scenario's own directory of tests, molecule/SCENARIO/DIRECTORY; Molecule passes it last."""
    path = Path(config.args[-1].split("::")[0]).resolve()
    return path if path.is_dir() else path.parent


def scenario(config: pytest.Config) -> str:
    directory = tests_directory(config).relative_to(PROJECT / "molecule")
    return os.environ.get("MOLECULE_SCENARIO_NAME") or directory.parts[0]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # A scenario that verifies more than once has a report for each time.
    if config.option.xmlpath is None:
        report = f"molecule-{scenario(config)}-{tests_directory(config).name}.xml"
        config.option.xmlpath = str(PROJECT / ".cache" / "junit" / report)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> testlib.Cluster:
    found = testlib.Cluster(scenario(pytestconfig))
    if found.authority:
        # For all that uses requests.
        os.environ["REQUESTS_CA_BUNDLE"] = str(found.authority)
    return found


@pytest.fixture(scope="session")
def airflow(cluster: testlib.Cluster) -> testlib.Airflow:
    return cluster.airflow()


@pytest.fixture(scope="session")
def flower(cluster: testlib.Cluster) -> testlib.Flower:
    return cluster.flower()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add each host's failed units and last messages to the reports of the first failures."""
    global shown  # noqa: PLW0603
    del call
    report = yield
    funcargs: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and "cluster" in funcargs and shown < JOURNALS_SHOWN:
        shown += 1
        report.sections.append(("journals of the cluster", funcargs["cluster"].journals()))
    return report
