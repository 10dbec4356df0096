#!/usr/bin/env bash
# The whole installation on one bare Debian 13 host, as an administrator in a hurry would type it. Run as root in a
# directory with airflow.txt and uv.txt, the collection's lock files. It ends when the control plane is healthy.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
secret() { head -c 24 /dev/urandom | base64 | tr -d '+/='; }
database=$(secret) results=$(secret) broker=$(secret) admin=$(secret) flower=$(secret)

apt-get -qq update >/dev/null
apt-get -qq install --no-install-recommends python3-venv postgresql valkey-server >/dev/null 2>&1

cat >>/etc/valkey/valkey.conf <<EOF
appendonly yes
user default off
user airflow on >$broker ~* &* +@all
EOF
rm -f /var/lib/valkey/dump.rdb
systemctl restart valkey-server

runuser -u postgres -- psql --quiet <<EOF
CREATE USER airflow PASSWORD '$database';
CREATE USER airflow_results PASSWORD '$results';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE airflow_results OWNER airflow_results;
EOF
echo '127.0.0.1 postgres valkey' >>/etc/hosts

python3 -m venv /opt/uv
/opt/uv/bin/pip --quiet install --require-hashes -r uv.txt
/opt/uv/bin/uv --quiet venv /opt/airflow/venv
/opt/uv/bin/uv --quiet pip install --compile-bytecode --python /opt/airflow/venv --require-hashes -r airflow.txt

useradd --system --home-dir /var/lib/airflow --shell /usr/sbin/nologin airflow
install -d -o airflow -g airflow /var/lib/airflow /var/log/airflow /opt/airflow/dags
install -d /etc/airflow
touch /etc/airflow/airflow.cfg
cat >/etc/airflow/airflow.env <<EOF
AIRFLOW_HOME=/var/lib/airflow
AIRFLOW_CONFIG=/etc/airflow/airflow.cfg
AIRFLOW__CORE__EXECUTOR=CeleryExecutor
AIRFLOW__CORE__DAGS_FOLDER=/opt/airflow/dags
AIRFLOW__CORE__LOAD_EXAMPLES=False
AIRFLOW__CORE__AUTH_MANAGER=airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
AIRFLOW__CORE__FERNET_KEY=$(python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())')
AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:8080/execution/
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://airflow:$database@postgres:5432/airflow
AIRFLOW__CELERY__BROKER_URL=redis://airflow:$broker@valkey:6379/0
AIRFLOW__CELERY__RESULT_BACKEND=db+postgresql://airflow_results:$results@postgres:5432/airflow_results
AIRFLOW__CELERY__FLOWER_BASIC_AUTH=flower:$flower
AIRFLOW__API__SECRET_KEY=$(secret)
AIRFLOW__API_AUTH__JWT_SECRET=$(secret)$(secret)$(secret)
AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/log/airflow
EOF
chmod 600 /etc/airflow/airflow.env

set -a
. /etc/airflow/airflow.env
set +a
airflow() { runuser -u airflow -- /opt/airflow/venv/bin/airflow "$@" >/dev/null 2>&1; }
airflow db migrate
airflow users create --role Admin --username admin --firstname A --lastname A --email a@localhost --password "$admin"

for command in scheduler dag-processor triggerer api-server 'celery worker --concurrency 2' 'celery flower'; do
    name=airflow-${command##* }
    case $command in *worker*) name=airflow-worker ;; esac
    cat >"/etc/systemd/system/$name.service" <<EOF
[Service]
User=airflow
EnvironmentFile=/etc/airflow/airflow.env
ExecStart=/opt/airflow/venv/bin/airflow $command
KillMode=mixed
Restart=always
[Install]
WantedBy=multi-user.target
EOF
    systemctl --quiet enable --now "$name"
done

until python3 - <<'EOF'
import json, sys, urllib.request
try:
    health = json.load(urllib.request.urlopen("http://127.0.0.1:8080/api/v2/monitor/health", timeout=5))
except (OSError, ValueError):
    sys.exit(1)
sys.exit(any(part["status"] != "healthy" for name, part in health.items() if part["status"] is not None))
EOF
do sleep 0.5; done
