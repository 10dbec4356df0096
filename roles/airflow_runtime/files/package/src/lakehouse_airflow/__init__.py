"""What the Ansible collection lakehouse.airflow adds to Airflow's own processes."""
