"""Which version of Airflow runs where is read from the unit files of each host."""

from __future__ import annotations

from filter.upgrade import other_versions, unit_versions

UNITS = "/etc/systemd/system"
MEASURED = f"""sudo: unable to resolve host control
{UNITS}/airflow-scheduler.service:ExecStart=/opt/airflow/3.2.2-0123456789ab
{UNITS}/airflow-scheduler.service:ExecStart=/opt/airflow/3.2.2-
{UNITS}/airflow-worker@gpu.service:ExecStart=/opt/airflow/3.3.2-
 Avail
 12345
"""


def test_versions_of_units() -> None:
    assert unit_versions(MEASURED.replace("\n", "\r\n")) == {"scheduler": "3.2.2", "worker@gpu": "3.3.2"}
    assert unit_versions("") == {}


def test_hosts_with_another_version() -> None:
    hostvars = {
        "control": {"__preflight_measured": {"stdout": MEASURED}},
        "bare": {"__preflight_measured": {"stdout": " Avail\n 12345\n"}},
        "silent": {},
    }
    assert other_versions(hostvars, hostvars, "3.3.2") == {"control": ["3.2.2"]}
    assert other_versions(hostvars, hostvars, "3.4.0") == {"control": ["3.2.2", "3.3.2"]}


def test_a_link_to_an_environment_counts() -> None:
    prepared = {"control": {"__preflight_measured": {"stdout": f"/opt/airflow/3.4.0-0123\r\n{MEASURED}"}}}
    assert other_versions(prepared, prepared, "3.3.2") == {"control": ["3.2.2", "3.4.0"]}
    assert other_versions(prepared, prepared, "3.3.2", link=False) == {"control": ["3.2.2"]}
