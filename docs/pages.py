"""Hook of mkdocs: pages of the site that stand elsewhere in the repository, and links that lead out of `docs/`.

No text is copied: each page is read from its file when the site is built.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Page of the site -> the file of the repository that it is.
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "model-card.md": "weights/README.md",
    "images/icon.png": "app/icon.png",
}
PAGE_OF = {source: page for page, source in ELSEWHERE.items()}
LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand elsewhere."""
    for page, source in ELSEWHERE.items():
        path = ROOT / source
        content: str | bytes = path.read_text() if path.suffix == ".md" else path.read_bytes()
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let the links of a page lead to pages of the site; one to a file that the site does not hold becomes its name."""
    here = page.file.src_uri
    source = ELSEWHERE.get(here, f"docs/{here}")
    return LINK.sub(lambda link: _relinked(link, source, here), markdown)


def _relinked(link: re.Match[str], source: str, here: str) -> str:
    target = link["target"]
    if "://" in target or target.startswith("mailto:"):
        return link[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if not (ROOT / path).exists():
        return link[0]  # mkdocs says that it leads nowhere, and the build fails
    page = PAGE_OF.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if page is None:
        return link["text"].strip("![]")
    return f"{link['text']}({posixpath.relpath(page, posixpath.dirname(here) or '.')}{link['anchor'] or ''})"
