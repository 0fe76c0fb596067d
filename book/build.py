"""Build the book twice, by Jupyter Book and by Sphinx alone, and pack the first into one zip.

``make book`` calls this. Lessons are executed once: both builders share what they gave, as long as
neither the lessons nor the package change. A warning of either builder is an error. Where nothing
has changed at all since the last build, that is the book.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from lessons import CACHES, ROOT, digest

BIN = Path(sys.executable).parent
BUILD = ROOT / "build"
HTML = BUILD / "jupyter-book" / "_build" / "html"
HTML_BY_SPHINX = BUILD / "sphinx" / "html"
ZIP = BUILD / "endmember-book.zip"
STAMP = BUILD / "book.txt"  # what the book was made of
ROOMS = ("widgets", "datasets", "course", "book", "binder")

BY_JUPYTER_BOOK = [
    *["jupyter-book", "build", "course", "--path-output", "build/jupyter-book"],
    *["--config", "book/_config.yml", "--toc", str(ROOT / "book" / "_toc.yml")],
    *["-W", "--keep-going"],
]
BY_SPHINX = [
    *["sphinx-build", "-b", "html", "-c", "book", "-d", "build/sphinx/doctrees", "course"],
    *[str(HTML_BY_SPHINX), "-W", "--keep-going", "--quiet"],
]


def build():
    """Build both; return the exit status."""
    made_of = parts()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == made_of:
        print(f"Nothing has changed since the book was built: {HTML / 'index.html'}")
        return 0
    STAMP.unlink(missing_ok=True)
    for old in [BUILD / "jupyter-book", BUILD / "sphinx", *CACHES.glob("*")]:
        if old.name != digest():
            shutil.rmtree(old, ignore_errors=True)
    for builder in (BY_JUPYTER_BOOK, BY_SPHINX):
        done = subprocess.run([BIN / builder[0], *builder[1:]], cwd=ROOT)
        if done.returncode:
            print(f"{builder[0]} stopped: see above.")
            return done.returncode
    pack()
    STAMP.write_text(made_of, encoding="utf-8")
    print(
        f"\nThe book: {HTML / 'index.html'}\nIn one file: {ZIP}, {ZIP.stat().st_size / 1e6:.1f} MB"
    )
    return 0


def parts():
    """Say what a book is made of: our files, and the packages that are installed."""
    installed = sorted(f"{found.name} {found.version}" for found in distributions())
    return "\n".join([digest(ROOMS), *installed, ""])


def pack():
    """Pack the book into a zip, in a folder of its own."""
    folder = BUILD / "zip" / ZIP.stem
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(HTML, folder)
    shutil.make_archive(str(ZIP.with_suffix("")), "zip", folder.parent, folder.name)
    shutil.rmtree(folder.parent)


if __name__ == "__main__":
    sys.exit(build())
