"""Several workers on a host, each with queues, concurrency and limits of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testlib import EXAMPLES, run_site

if TYPE_CHECKING:
    from testlib import Airflow, Cluster, Flower

INSTANCES = EXAMPLES["airflow_worker_instances"]


def test_a_host_runs_several_workers_which_end_after_their_tasks(
    cluster: Cluster, airflow: Airflow, flower: Flower
) -> None:
    """Those of the example in docs/settings.md; the smoke test of the first run has a task on each."""
    worker = cluster.workers("default")[0]
    names = {"default": worker.name, **{name: f"{worker.name}.{name}" for name in INSTANCES}}
    arguments = ["--extra-vars", json.dumps({"airflow_worker_instances": INSTANCES})]
    try:
        run_site(cluster.inventory, *arguments).assert_success()
        before = worker.unit("airflow-worker")["InvocationID"]
        flower.wait_online(*names.values())
        assert {name: flower.queues(names[name]) for name in INSTANCES} == {
            name: {*settings["queues"], f"host.{names[name]}"} for name, settings in INSTANCES.items()
        }
        gpu, long = (worker.unit(f"airflow-worker@{name}") for name in ("gpu", "long"))
        assert (gpu["MemoryMax"], gpu["TimeoutStopUSec"], gpu["User"]) == (
            str(4 << 30),
            "10min",
            "airflow-worker",
        )
        assert long["TimeoutStopUSec"] == "1h"
        assert flower.worker(names["long"])["stats"]["pool"]["max-concurrency"] == 1

        run = airflow.trigger("lab_instances")
        tasks = run.wait()
        assert {task.task_id: task.outcome for task in tasks} == dict.fromkeys(names, ("success", 1))
        for task in tasks:
            name = task.hostname + ("" if task.task_id == "default" else f".{task.task_id}")
            assert f"This line was written by {name}" in run.log(task)
        cluster.wait_healthy()
        assert set(names.values()) <= set(cluster.worker_status()["workers"])

        run = airflow.trigger("lab_instance_stop")
        run.wait_tasks("task running", lambda tasks: [task.state for task in tasks] == ["running"])
    finally:
        run_site(cluster.inventory).assert_success()

    assert [task.outcome for task in run.wait()] == [("success", 1)]
    assert worker.unit("airflow-worker")["InvocationID"] == before
    for name in INSTANCES:
        assert worker.unit(f"airflow-worker@{name}")["LoadState"] == "not-found"
        assert not worker.file(f"/etc/airflow/worker@{name}.env").exists
    assert not set(names.values()) - {worker.name} & set(cluster.worker_status()["workers"])
