"""Where the files of the data room lie: in a checkout, or inside the installed package."""

from __future__ import annotations

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def data_path(*parts):
    """Return the path of a file in the data room, such as ``("files", "map.npz")``.

    In a checkout the room itself answers, so that a changed file is seen at once; elsewhere the
    copy that the wheel carries does.
    """
    checkout = PACKAGE.parents[1]
    rooms = [PACKAGE / "datasets"]
    if PACKAGE.parent.name == "widgets" and (checkout / "pyproject.toml").is_file():
        rooms.insert(0, checkout / "datasets")
    for room in rooms:
        path = room.joinpath(*parts)
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"the data file {'/'.join(parts)} is missing from {rooms[0]}; install endmember again."
    )


def checked_path(*parts, sha256):
    """Return the path of a file in the data room whose content is what it should be."""
    path = data_path(*parts)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} has the checksum {found[:12]}..., expected {sha256[:12]}...; the file was "
            "changed or cut short. Install endmember again."
        )
    return path
