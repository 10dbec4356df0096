"""playbooks/uninstall.yml, and what a host has of the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testlib.ansible_commands import run_playbook

if TYPE_CHECKING:
    from testlib.ansible_commands import Result
    from testlib.cluster import Cluster
    from testlib.host import Host

# Where the collection has files, of those that Ansible and Debian have there, too.
DIRECTORIES = "/etc /usr/local /opt /var/lib /var/log /var/backups /run/systemd/system"
# Its names, in files and in lists of the host.
NAMES = "airflow|lakehouse"


def uninstall(cluster: Cluster, *args: str) -> Result:
    """Run the playbook, without a terminal."""
    return run_playbook(cluster.inventory, "uninstall", *args)


def confirmed_uninstall(cluster: Cluster, *args: str) -> Result:
    """Run the playbook as after the answer that it asks for."""
    return uninstall(cluster, "--extra-vars=airflow_uninstall_confirmed=true", *args).assert_success()


def traces(host: Host) -> set[str]:
    """Return what the host has of the collection: files, units, users, processes, names, tables."""
    files = f"find {DIRECTORIES} -xdev -regextype egrep -regex '.*({NAMES}).*' -prune"
    commands = {
        "file": files,
        "unit": f"systemctl list-units --all --plain --no-legend | grep -oE '^[^ ]*({NAMES})[^ ]*'",
        "unit file": f"systemctl list-unit-files --no-legend | grep -oE '^[^ ]*({NAMES})[^ ]*'",
        "user": f"grep -oE '^({NAMES})[^:]*' /etc/passwd /etc/group",
        "process": "ps -eo user:32= | grep -E '^airflow' | sort -u",
        "host": f"grep -E '{NAMES}' /etc/hosts",
        "table": "! test -x /usr/sbin/nft || nft list tables | grep lakehouse",
    }
    return {
        f"{kind} {line.strip()}"
        for kind, command in commands.items()
        for line in host.run(command).stdout.splitlines()
    }
