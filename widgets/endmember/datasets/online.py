"""Larger public data, fetched once, checked always."""

from __future__ import annotations


def fetch(entry):
    """Return the path of an entry's file, fetched where it is not here yet.

    Parameters
    ----------
    entry : Entry
        With the address and the digest of its file.

    Raises
    ------
    ConnectionError
        Where it cannot be fetched; the message says what to do.
    ValueError
        Where what was fetched is not what the entry says.
    """
    import pooch
    from requests.exceptions import RequestException

    folder = pooch.os_cache("endmember")
    name = f"{entry.sha256[:12]}-{entry.url.rpartition('/')[2]}"
    try:
        return pooch.retrieve(
            entry.url, known_hash=f"sha256:{entry.sha256}", fname=name, path=folder
        )
    except (RequestException, OSError) as error:
        raise ConnectionError(
            f"{entry.name!r} could not be fetched from {entry.url} ({error}). Try again with a "
            f"network, or put its file at {folder / name} yourself."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"what {entry.url} gave for {entry.name!r} is not the file with the sha256 "
            f"{entry.sha256[:12]}...: {error}"
        ) from error
