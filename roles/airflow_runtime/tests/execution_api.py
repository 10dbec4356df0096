"""The SDK's own client, its requests answered here: all of the supervisor but the network."""

from __future__ import annotations

import uuid
from collections import Counter

import httpx
from airflow.executors.workloads.task import ExecuteTask
from airflow.sdk.api.client import Client

NOON = "2024-01-01T12:00:00Z"
RUN_CONTEXT = {
    "dag_run": {
        "dag_id": "example",
        "run_id": "run",
        "logical_date": NOON,
        "data_interval_start": NOON,
        "data_interval_end": NOON,
        "run_after": NOON,
        "start_date": NOON,
        "end_date": None,
        "run_type": "manual",
        "state": "running",
        "conf": {},
        "consumed_asset_events": [],
        "partition_key": None,
    },
    "max_tries": 0,
    "should_retry": False,
    "task_reschedule_count": 0,
    "upstream_map_indexes": {},
}


class ExecutionApi:
    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.client = Client(base_url="http://api", token="", transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        self.requests[name] += 1
        return httpx.Response(200, json=RUN_CONTEXT) if name == "run" else httpx.Response(204)


def workload() -> ExecuteTask:
    return ExecuteTask.model_validate(
        {
            "type": "ExecuteTask",
            "token": "",
            "dag_rel_path": "example.py",
            "bundle_info": {"name": "dags-folder", "version": None},
            "log_path": "task.log",
            "ti": {
                "id": str(uuid.uuid4()),
                "dag_version_id": str(uuid.uuid4()),
                "dag_id": "example",
                "task_id": "noop",
                "run_id": "run",
                "try_number": 1,
                "map_index": -1,
                "pool_slots": 1,
                "queue": "default",
                "priority_weight": 1,
                "executor_config": None,
                "parent_context_carrier": {},
                "context_carrier": {},
            },
        }
    )
