"""The collection as its users install it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import PROJECT, run_command

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Cluster


def test_the_installed_collection_finds_nothing_to_change(cluster: Cluster, tmp_path: Path) -> None:
    built, installed, here = (tmp_path / name for name in ("built", "installed", "here"))
    here.mkdir()
    run_command(
        "ansible-galaxy", "collection", "build", f"--output-path={built}", str(PROJECT), cwd=here
    ).assert_success()
    (archive,) = built.iterdir()
    run_command(
        "ansible-galaxy",
        "collection",
        "install",
        "--no-deps",
        "--offline",
        f"--collections-path={installed}",
        str(archive),
        cwd=here,
    ).assert_success()

    done = run_command(
        "ansible-playbook",
        f"--inventory={cluster.inventory}",
        "lakehouse.airflow.site",
        cwd=here,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
    ).assert_success()
    assert str(PROJECT / "roles") not in done.output
    assert done.changed == {host.name: 0 for host in cluster.hosts()}
