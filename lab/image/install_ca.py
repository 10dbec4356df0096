"""Install what a CA bundle holds beyond the image's own certificates into the image's store."""

import re
import sys
from pathlib import Path

PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)


def certificates(bundle: Path) -> dict[str, str]:
    """Give each certificate's text by its body without white space."""
    text = bundle.read_text(encoding="utf-8", errors="replace")
    return {"".join(pem.split()): pem for pem in PEM.findall(text)}


def main() -> None:
    bundle, root = Path(sys.argv[1]), Path(sys.argv[2])
    known = certificates(root / "etc/ssl/certs/ca-certificates.crt")
    store = root / "usr/local/share/ca-certificates"
    store.mkdir(parents=True, exist_ok=True)
    extra = [pem for body, pem in certificates(bundle).items() if body not in known]
    for number, pem in enumerate(extra, start=1):
        # One a file: programs that look a certificate up by its hash see the first of a file only.
        (store / f"controller-{number:03}.crt").write_text(pem + "\n", encoding="utf-8")


main()
