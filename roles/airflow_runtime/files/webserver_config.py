# The API server reads it after its options, of which Flask takes [api] secret_key: that of the task logs.
import os
from pathlib import Path

# airflow_webserver_config. Flask takes a file that is missing for an empty one, and would go on without it.
if _path := os.environ.get("AIRFLOW__LAKEHOUSE__WEBSERVER_CONFIG"):
    try:
        exec(compile(Path(_path).read_bytes(), _path, "exec"))  # noqa: S102 - as Flask does
    except OSError as error:
        raise RuntimeError(f"{_path}: {error}") from error

# Last: sessions are signed with this key, whatever that file says.
SECRET_KEY = os.environ["AIRFLOW__LAKEHOUSE__SESSION_SECRET_KEY"]
