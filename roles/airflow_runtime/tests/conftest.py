from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Airflow reads its settings, and makes its home, when it is first imported.
home = tempfile.mkdtemp(prefix="airflow-home-")
atexit.register(shutil.rmtree, home, ignore_errors=True)
os.environ.update(
    AIRFLOW_HOME=home,
    AIRFLOW__CELERY__BROKER_URL="redis://localhost:1/0",
    AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS="lakehouse_airflow.worker.CELERY_CONFIG",
    AIRFLOW__CELERY__RESULT_BACKEND="db+postgresql://nobody@localhost:1/nothing",
    AIRFLOW__CORE__EXECUTOR="CeleryExecutor",
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=f"{home}/dags",
    AIRFLOW__LAKEHOUSE__TASK_INSTANCE_HEARTBEAT_TIMEOUT="300",
    AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=(
        '[{"name":"dags-folder","classpath":"airflow.dag_processing.bundles.local.LocalDagBundle","kwargs":{}}]'
    ),
)
