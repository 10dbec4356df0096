"""The examples in the documentation, most of them in docs/settings.md, which tests run as they stand."""

from __future__ import annotations

import re
from typing import Any

import yaml

from testlib.cluster import PROJECT


def blocks(language: str, page: str = "settings") -> list[str]:
    """Return the blocks of code in a language that a page of the documentation has."""
    text = (PROJECT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


# Each variable is there once.
EXAMPLES: dict[str, Any] = {
    name: value for block in blocks("yaml") for name, value in yaml.safe_load(block).items()
}
# What lookups of the examples find in the environment of the controller.
EXAMPLE_SECRETS = ("WAREHOUSE_PASSWORD", "ANALYST_PASSWORD")
# What they find in files beside the inventory.
EXAMPLE_FILES = {"git_host_key.pub": "ssh-ed25519 AAAA\n", "deploy_key": "a key\n"}
