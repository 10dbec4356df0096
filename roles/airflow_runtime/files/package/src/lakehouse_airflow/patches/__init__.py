"""Patches of what makes Airflow's services stand still or do needless work; docs/upstream.md describes each fault."""
