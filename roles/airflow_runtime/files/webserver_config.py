# The API server reads it after its options, of which Flask takes [api] secret_key: that of the task logs.
import os

SECRET_KEY = os.environ["AIRFLOW__LAKEHOUSE__SESSION_SECRET_KEY"]
