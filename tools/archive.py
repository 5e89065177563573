"""The built site as one .zip, for reading without a network (the same site, the same bytes).

    python tools/archive.py _build/html book.zip
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

SKIP = {".buildinfo", "objects.inv"}


def archive(site: Path, target: Path) -> Path:
    """Write `target`; it unpacks to one folder, named like the file, with index.html in it."""
    if not (site / "index.html").is_file():
        raise SystemExit(f"{site} has no index.html: build the site first (make book)")
    beside = target.with_suffix(".part")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for path in sorted(p for p in site.rglob("*") if p.is_file() and p.name not in SKIP):
            name = f"{target.stem}/{path.relative_to(site).as_posix()}"
            entry = zipfile.ZipInfo(name)  # no times: equal sites give equal archives
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, path.read_bytes())
    beside.replace(target)
    return target


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    made = archive(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{made} ({made.stat().st_size / 1e6:.1f} MB): unpack it and open index.html")
