"""The picture of the site that README.md shows, from the built site.

    python -m tools.picture _build/html .github/site.png
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from tools import browser, serve

PAGE = "book/backprop.html"
LAB, STATE = "#lab-stepper", "?step=7"  # the address says the state of a lab


def main(site: Path, target: Path) -> None:
    server, base = serve.start(site)
    with browser.launched() as running:
        page = running.new_page(viewport={"width": 1280, "height": 800})
        page.goto(base + PAGE + LAB + STATE)
        lab = page.locator(f".zh-lab{LAB}")
        page.wait_for_selector(f".zh-lab{LAB}.zh-ready")
        page.mouse.move(0, 0)
        lab.evaluate("e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 90)")
        page.wait_for_timeout(500)
        shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
    server.shutdown()
    shot.quantize(128).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
