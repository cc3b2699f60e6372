"""The version, in a module that imports nothing of others, so that packaging can read it without the dependencies."""

import platform

__version__ = "0.1.0"


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of simcore, Python and some installed packages.

    Examples
    --------
    >>> sorted(versions("numpy"))
    ['numpy', 'python', 'simcore']
    """
    from importlib import metadata

    numbers = {"simcore": __version__, "python": platform.python_version()}
    numbers.update({name: metadata.version(name) for name in packages})
    return numbers
