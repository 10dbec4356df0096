# Read by the API server, after its own options. [api] secret_key, which Flask takes by default, is that of
# the task logs.
import os

SECRET_KEY = os.environ["AIRFLOW__LAKEHOUSE__SESSION_SECRET_KEY"]
