"""Import the DAG files of a directory as the DAG processor does; exit 1 and print a line for each that fails.

usage: check_imports.py DIRECTORY <ENVIRONMENT

ENVIRONMENT: the variables of the environment that services have, as a JSON object
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path


def summarize(directory: Path, file: str, error: str) -> str:
    """Return ``FILE:LINE: ERROR`` for a traceback, with the last line of the directory's own code."""
    own = re.findall(rf'File "{re.escape(str(directory))}/(.+?)", line (\d+)', error)
    place = ":".join(own[-1]) if own else file
    imported_by = "" if place.startswith(file) else f"{file}: "
    return f"{imported_by}{place}: {error.strip().splitlines()[-1]}"


def main() -> int:
    directory = Path(sys.argv[1]).resolve()
    os.environ.update(json.load(sys.stdin))
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    # Airflow and the DAGs print what they like: only the results go to the standard output.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Imported late: Airflow prints on its import, too.
    from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415

    bag = BundleDagBag(directory, bundle_path=directory, bundle_name="dags-folder")
    for file, error in sorted(bag.import_errors.items()):
        name = str((directory / file).relative_to(directory))
        print(summarize(directory, name, error), file=results)
    return 1 if bag.import_errors else 0


if __name__ == "__main__":
    sys.exit(main())
