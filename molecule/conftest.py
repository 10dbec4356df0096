"""What the acceptance tests of every scenario share: the lab's hosts, JUnit reports, journals on failure."""

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


def folder(config: pytest.Config) -> Path:
    """Give the folder of the tests asked for: molecule/SCENARIO/FOLDER."""
    path = Path(config.args[0].split("::")[0]).resolve()
    return path if path.is_dir() else path.parent


def scenario(config: pytest.Config) -> str:
    return (
        os.environ.get("MOLECULE_SCENARIO_NAME") or folder(config).relative_to(PROJECT / "molecule").parts[0]
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # A scenario verifies more than once; each time gets a report of its own.
    if config.option.xmlpath is None:
        report = f"molecule-{scenario(config)}-{folder(config).name}.xml"
        config.option.xmlpath = str(PROJECT / ".cache" / "junit" / report)


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> testlib.Lab:
    return testlib.Lab(PROJECT / ".cache" / "lab" / scenario(pytestconfig))


@pytest.fixture(scope="session")
def airflow(lab: testlib.Lab) -> testlib.Airflow:
    return lab.airflow()


@pytest.fixture(scope="session")
def flower(lab: testlib.Lab) -> testlib.Flower:
    url = f"http://{lab.one('flower').address}:5555"
    return testlib.Flower(url, "flower", lab.secrets["airflow_flower_password"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show each host's failed units and last messages with the first few tests that fail."""
    global shown  # noqa: PLW0603
    del call
    report = yield
    funcargs: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and "lab" in funcargs and shown < JOURNALS_SHOWN:
        shown += 1
        report.sections.append(("the lab's journals", funcargs["lab"].journals()))
    return report
