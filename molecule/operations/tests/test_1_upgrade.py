"""A rollback to the version before, then an upgrade while tasks run, by runs of which five are killed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from testlib import Result, Stream, killed_playbook, run_playbook, run_site, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testlib import Cluster

OLD, NEW = "3.2.2", "3.3.2"
DUMPS = "/var/backups/airflow/upgrades"
# Longer than a long task, so that no worker gives up one.
STOP_TIMEOUT = "-eairflow_worker_stop_timeout=200"
LONG = 90
SCHEDULING = ("airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


def version(value: str) -> str:
    return f"-eairflow_version={value}"


def schema(cluster: Cluster) -> str:
    """Return what the metadata database says of its version."""
    query = "SELECT obj_description('alembic_version'::regclass, 'pg_class')"
    return cluster.one("postgres").sql(cluster.database("database"), query)[0]


def dumps(cluster: Cluster) -> list[str]:
    return cluster.one("postgres").check_output(f"ls {DUMPS} 2>/dev/null || true").split()


def versions(cluster: Cluster) -> set[str]:
    """Return the versions that the units of all hosts run, by the programs of their processes."""
    script = (
        "for pid in $(systemctl show --property=MainPID --value 'airflow-*.service'); do"
        " [ $pid = 0 ] || grep -oE '/opt/airflow/[0-9.]+-' /proc/$pid/maps | head -n 1; done"
    )
    lines = [line for host in cluster.hosts() for line in host.check_output(script).split()]
    return {line.removeprefix("/opt/airflow/").removesuffix("-") for line in lines}


def assert_unchanged(result: Result, *texts: str) -> None:
    assert result.returncode != 0, result.output[-3000:]
    for text in texts:
        assert text in result.text, result.output[-3000:]
    assert set(result.changed.values()) <= {0}


def test_an_older_version_is_refused(cluster: Cluster) -> None:
    assert_unchanged(
        run_site(cluster.inventory, version(OLD)),
        "schema of Airflow 3.3.2",
        "go back with playbooks/rollback.yml",
    )


def test_a_rollback_says_what_it_does_and_asks(cluster: Cluster) -> None:
    result = run_playbook(cluster.inventory, "rollback", version(OLD))
    assert_unchanged(result, f"Airflow {NEW} goes back to {OLD}", "-e airflow_rollback_confirm=true")


def test_a_rollback_keeps_what_was_done(cluster: Cluster) -> None:
    before = cluster.airflow().trigger("lab_two", seconds=[1, 1])
    before.wait()
    result = run_playbook(cluster.inventory, "rollback", version(OLD), "-eairflow_rollback_confirm=true")
    result.assert_success()
    assert (versions(cluster), schema(cluster)) == ({OLD}, f"Airflow {OLD}")
    assert len(dumps(cluster)) == 1
    before.airflow = airflow = cluster.airflow()
    assert {task.outcome for task in before.tasks()} == {("success", 1)}
    assert {task.outcome for task in airflow.trigger("lab_two", seconds=[1, 1]).wait()} == {("success", 1)}


def test_a_part_of_the_cluster_is_not_upgraded(cluster: Cluster) -> None:
    for arguments, text in [
        (("--limit=worker1",), "control1, which is outside of --limit, runs 3.2.2"),
        (("--limit=control1",), "control2, which is outside of --limit, runs 3.2.2"),
        (("--tags=workers",), "An upgrade is a whole run"),
    ]:
        assert_unchanged(run_site(cluster.inventory, version(NEW), *arguments), text)
    assert versions(cluster) == {OLD}


def is_migrating(cluster: Cluster) -> bool:
    return bool(cluster.one("schedulers").run("pgrep -f 'bin/airflow db migrate'").rc == 0)


def schedulers_run(cluster: Cluster) -> set[str]:
    return {
        f"{unit} on {host.name}"
        for host in cluster.hosts("schedulers")
        for unit in SCHEDULING
        if host.service(unit).is_running
    }


@pytest.fixture(scope="module")
def upgraded(cluster: Cluster) -> Iterator[tuple[Stream, Result]]:
    killed_upgrade = partial(killed_playbook, cluster.inventory, "site", version(NEW), STOP_TIMEOUT)
    restarted = "TASK [lakehouse.airflow.airflow_service : Restart airflow-api-server]"
    with Stream(cluster, LONG) as stream:
        wait_for("tasks of the stream", lambda: len(stream.runs), lambda count: count >= 3)
        killed_upgrade(reached=lambda text: "PLAY [Install what the services read" in text)
        assert (schema(cluster), len(schedulers_run(cluster))) == (f"Airflow {OLD}", 6)
        killed_upgrade(reached=lambda text: "PLAY [Migrate the metadata database]" in text)
        assert schema(cluster) == f"Airflow {OLD}"
        assert schedulers_run(cluster) == set()
        killed_upgrade(
            reached=lambda text: ": Run the migrations of Airflow" in text and is_migrating(cluster)
        )
        assert schema(cluster) == f"Airflow {OLD}, migrating to {NEW}"
        assert_unchanged(
            run_site(cluster.inventory, version(OLD)), f"set airflow_version to {NEW} and run site.yml"
        )
        killed_upgrade(reached=lambda text: text.count(restarted) == 2)
        assert schema(cluster) == f"Airflow {NEW}"
        killed_upgrade(
            reached=lambda text: (
                "PLAY [Restart the workers in batches]" in text
                and cluster.host("worker1").unit("airflow-worker")["ActiveState"] == "deactivating"
            ),
        )
        result = run_site(cluster.inventory, version(NEW), STOP_TIMEOUT)
    yield stream, result
    # With the deadline of the inventory again.
    run_site(cluster.inventory).assert_success()


def test_an_upgrade_that_was_killed_five_times_is_finished_by_the_next_run(
    cluster: Cluster, upgraded: tuple[Stream, Result]
) -> None:
    upgraded[1].assert_success()
    assert (versions(cluster), schema(cluster)) == ({NEW}, f"Airflow {NEW}")
    # That of the rollback, and one of before the upgrade.
    assert len(dumps(cluster)) == 2
    assert not cluster.unhealthy()


def test_no_task_is_lost_and_none_runs_twice(upgraded: tuple[Stream, Result]) -> None:
    stream = upgraded[0]
    pause = stream.assert_none_lost()
    print(f"{len(stream.runs)} runs, API away {stream.api_away():.1f} s, no task began for {pause:.1f} s")


def test_one_of_two_api_servers_always_answers(upgraded: tuple[Stream, Result]) -> None:
    # The lab is busy: an answer may take a while.
    assert upgraded[0].api_away() < 8


def test_the_next_run_changes_nothing(cluster: Cluster, upgraded: tuple[Stream, Result]) -> None:
    del upgraded
    result = run_site(cluster.inventory, STOP_TIMEOUT).assert_success()
    assert set(result.changed.values()) == {0}
    assert "becomes" not in result.output
