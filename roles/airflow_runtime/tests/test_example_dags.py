"""The DAGs in dags/, which `make up` shows and a new cluster has until it gets others."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).resolve().parents[3] / "dags"
NAMES = sorted(path.stem for path in DAGS.glob("*.py"))


@pytest.fixture(scope="module")
def dags() -> DagBag:
    # The pools are in the database, which does not exist here.
    return DagBag(DAGS, known_pools={"default_pool"})


def test_there_are_examples() -> None:
    assert NAMES


def test_all_can_be_imported(dags: DagBag) -> None:
    assert dags.import_errors == {}
    assert dags.captured_warnings == {}


def test_each_file_has_the_dag_of_its_name(dags: DagBag) -> None:
    assert sorted(dags.dags) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_explains_itself_and_runs_only_when_triggered(dags: DagBag, name: str) -> None:
    dag = dags.dags[name]
    assert dag.doc_md
    assert dag.schedule is None
    assert dag.is_paused_upon_creation is False


def test_that_of_the_production_inventory_can_be_imported() -> None:
    directory = DAGS.parent / "inventories" / "production" / "dags"
    dags = DagBag(directory, known_pools={"default_pool", "warehouse"})
    assert dags.import_errors == {}
    assert dags.captured_warnings == {}
    assert sorted(dags.dags) == ["report"]
