"""What pages share that are one file, need nothing else and fetch nothing.

Their style and script stand in them, and a content security policy admits these by hash alone.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from i3d_client.errors import MissingExtraError

if TYPE_CHECKING:
    from markupsafe import Markup

_TEMPLATES = "templates"


def page_template(package: str, name: str, *, extra: str, needed_for: str) -> Any:
    """Return a Jinja template that escapes what it is given, and takes nothing undefined.

    Args:
        package: in whose folder ``templates`` it lies.
        name: of the file.
        extra: that brings Jinja.
        needed_for: what is being made, for the error.

    Raises:
        MissingExtraError: Jinja is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError(extra, needed_for=needed_for) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, _TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def page_source(package: str, name: str) -> str:
    """Return the style or script of that name beside a package's templates."""
    return (resources.files(package) / _TEMPLATES / name).read_text(encoding="utf-8")


def source_hash(source: str) -> str:
    """Return what a content security policy calls a style or script: ``sha256-…``."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def trusted(source: str) -> Markup:
    """Mark text as safe to stand in a page as it is: of our own files, or escaped before."""
    from markupsafe import Markup

    return Markup(source)  # noqa: S704 - what the caller vouches for
