"""The collection as its users install it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib import PROJECT, tool

if TYPE_CHECKING:
    from pathlib import Path

    from testlib import Lab


def test_the_installed_collection_finds_nothing_to_change(lab: Lab, tmp_path: Path) -> None:
    built, installed, here = (tmp_path / name for name in ("built", "installed", "here"))
    here.mkdir()
    tool(
        "ansible-galaxy", "collection", "build", f"--output-path={built}", str(PROJECT), cwd=here
    ).assert_passed()
    (archive,) = built.iterdir()
    tool(
        "ansible-galaxy",
        "collection",
        "install",
        "--no-deps",
        "--offline",
        f"--collections-path={installed}",
        str(archive),
        cwd=here,
    ).assert_passed()

    done = tool(
        "ansible-playbook",
        f"--inventory={lab.inventory}",
        "lakehouse.airflow.site",
        cwd=here,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
    ).assert_passed()
    assert str(PROJECT / "roles") not in done.output
    assert done.changed == {"localhost": 0, **{host.name: 0 for host in lab.hosts()}}
