"""The page at `/` and the API reference at `/docs`: files of one folder, served as they are.

Off unless FACENET_PAGE is on. The policy sent with every file lets a page load its own scripts,
styles and pictures and call its own function, and nothing else.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

STATIC = Path(__file__).resolve().parent / "static"
# What each address shows; every other file is under /static/ by its own name.
PAGES = MappingProxyType({"/": "index.html", "/docs": "docs.html"})
CONTENT_TYPES = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".jpg": "image/jpeg",
    }
)
SECURITY_HEADERS = MappingProxyType(
    {
        "content-security-policy": "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' blob: data:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        ),
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
    }
)
# A page is asked for again each time, its parts every five minutes: after a deployment a browser
# may mix the two for that long, and each request spared is an invocation spared.
PAGE_CACHE = "no-cache"
PART_CACHE = "private, max-age=300"


@dataclass(frozen=True)
class StaticAnswer:
    """What to send for a file: `body` is empty for 304."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_text(self) -> bool:
        """Whether `body` is UTF-8 text, which Lambda answers may carry without base64."""
        return not self.headers["content-type"].startswith("image/")


@dataclass(frozen=True)
class StaticFile:
    """One file of the set, read once."""

    body: bytes
    content_type: str
    etag: str
    cache_control: str

    def answer(self, if_none_match: str | None = None) -> StaticAnswer:
        """The file, or 304 without it where the caller's `If-None-Match` names this version."""
        headers = {
            **SECURITY_HEADERS,
            "content-type": self.content_type,
            "cache-control": self.cache_control,
            "etag": self.etag,
        }
        if _names(if_none_match, self.etag):
            return StaticAnswer(304, MappingProxyType(headers), b"")
        return StaticAnswer(200, MappingProxyType(headers), self.body)


def serve(path: str, if_none_match: str | None = None) -> StaticAnswer | None:
    """The answer to GET `path` (without stage or base path), or None where no file belongs to it.

    Only files that were in the folder at the first call are ever served, so no path can lead out.
    """
    file = static_files().get(path)
    return file.answer(if_none_match) if file else None


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Every address with its file; read at the first request for a page, not at cold start."""
    pages = {path: _read(STATIC / name, PAGE_CACHE) for path, name in PAGES.items()}
    parts = {
        f"/static/{path.relative_to(STATIC).as_posix()}": _read(path, PART_CACHE)
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in CONTENT_TYPES and path.suffix != ".html"
    }
    return MappingProxyType({**pages, **parts})


def _read(path: Path, cache_control: str) -> StaticFile:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:32]
    return StaticFile(body, CONTENT_TYPES[path.suffix], f'"{digest}"', cache_control)


def _names(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 13.1.2: a list of tags or `*`, compared weakly (a proxy may have added W/)."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in tags or "*" in tags
