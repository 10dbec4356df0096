#!/usr/bin/env bash
# How long the dump and the restore of a database of 100,000 task instances take, and how large it is. Run as root on the host
# of PostgreSQL of a cluster that has run a task and playbooks/backup.yml or restore.yml. It works on a copy, and removes it.
set -euo pipefail
runs=${1:-1000} tasks=${2:-100}
directory=/var/tmp/airflow-backup-benchmark
export PGHOST=/var/run/postgresql
as_postgres() { (cd / && runuser --user postgres -- "$@" </dev/null); }
sql() { as_postgres psql --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --dbname=benchmark --command="$1"; }

install --directory --owner=postgres --mode=0700 "$directory"
trap 'as_postgres dropdb --if-exists benchmark; rm -rf "$directory"' EXIT
as_postgres dropdb --if-exists benchmark
as_postgres createdb --template=airflow benchmark

# Copies of a run and of its task, with three lines of the audit log for each task.
sql "
INSERT INTO dag_run SELECT made.* FROM (SELECT * FROM dag_run WHERE dag_id = 'lab_one' LIMIT 1) AS run, generate_series(1, $runs) AS n,
    jsonb_populate_record(NULL::dag_run, to_jsonb(run) || jsonb_build_object(
    'id', 1000000 + n, 'run_id', 'benchmark' || n, 'logical_date', NULL)) AS made;
INSERT INTO task_instance SELECT made.* FROM (SELECT * FROM task_instance WHERE dag_id = 'lab_one' LIMIT 1) AS task,
    generate_series(1, $runs) AS n, generate_series(1, $tasks) AS m,
    jsonb_populate_record(NULL::task_instance, to_jsonb(task) || jsonb_build_object(
    'id', gen_random_uuid(), 'run_id', 'benchmark' || n, 'map_index', m)) AS made;
INSERT INTO log (dttm, dag_id, task_id, map_index, event, logical_date, run_id, owner, extra)
    SELECT now(), dag_id, task_id, map_index, 'event' || n, NULL, run_id, 'airflow', '{\"host_name\": \"worker1\", \"n\": ' || n || '}'
    FROM task_instance, generate_series(1, 3) AS n WHERE run_id LIKE 'benchmark%';
ANALYZE"
echo "task instances: $(sql 'SELECT count(*) FROM task_instance'), database $(sql "SELECT pg_size_pretty(pg_database_size('benchmark'))")"

seconds() { awk -v begin="$1" -v end="$(date +%s.%N)" 'BEGIN { printf "%.1f s\n", end - begin }'; }
begin=$(date +%s.%N)
dump=$(as_postgres /usr/local/sbin/airflow-dump "$directory" 1 database benchmark alembic_version)
echo "dump, read back: $(seconds "$begin") $dump"

file=$(find "$directory" -name '*.dump')
as_postgres dropdb benchmark
as_postgres createdb --owner=airflow benchmark
begin=$(date +%s.%N)
as_postgres /usr/local/sbin/airflow-restore load benchmark "$file" airflow "SELECT 1"
echo "restore: $(seconds "$begin")"
echo "task instances: $(sql 'SELECT count(*) FROM task_instance')"
