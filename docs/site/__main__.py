"""Builds the site: `python -m docs.site` writes the pages to dist/docs-source and the site to dist/docs."""

from __future__ import annotations

import shutil
import subprocess
import sys

from docs.site import pages
from docs.site.configuration import configuration

_BIN = pages.ROOT / ".docs" / "bin"
_MERMAID = pages.ROOT / ".docs" / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
SOURCE = pages.ROOT / "dist" / "docs-source"


def main() -> str | None:
    """Build the site. Return what is wrong, such as a link that leads nowhere."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    try:
        written = pages.write(SOURCE / "pages")
    except pages.BrokenLink as error:
        return str(error)
    shutil.copy(_MERMAID, SOURCE / "pages" / "mermaid.js")
    shutil.copy(pages.ROOT / "docs" / "site" / "site.css", SOURCE / "pages")
    (SOURCE / "zensical.toml").write_text(configuration(written))
    command = [str(_BIN / "zensical"), "build", "--clean", "--strict", "--config-file", "zensical.toml"]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"the site cannot be built:\n{done.stdout}{done.stderr.partition('Traceback')[0]}"
    site = pages.ROOT / "dist" / "docs"
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(SOURCE / "site", site)
    print(site.relative_to(pages.ROOT) / "index.html")
    return None


if __name__ == "__main__":
    sys.exit(main())
