"""install_ca.py BUNDLE ROOT: add the certificates of a CA bundle to the trust store of an image."""

import re
import sys
from pathlib import Path

PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)


def certificates(bundle: Path) -> dict[str, str]:
    """Return the certificates of a bundle; the keys are their text without white space."""
    text = bundle.read_text(encoding="utf-8", errors="replace")
    return {"".join(pem.split()): pem for pem in PEM.findall(text)}


def main() -> None:
    bundle, root = Path(sys.argv[1]), Path(sys.argv[2])
    known = certificates(root / "etc/ssl/certs/ca-certificates.crt")
    store = root / "usr/local/share/ca-certificates"
    store.mkdir(parents=True, exist_ok=True)
    extra = [pem for body, pem in certificates(bundle).items() if body not in known]
    for number, pem in enumerate(extra, start=1):
        # One certificate per file: a lookup by hash sees only the first one of a file.
        (store / f"controller-{number:03}.crt").write_text(pem + "\n", encoding="utf-8")


main()
