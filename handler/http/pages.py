"""The page at `/` and the API reference at `/docs`: files of one folder, served as they are.

Off unless FACENET_PAGE is on. The policy sent with every file lets a page load its own scripts,
styles and pictures and call its own function, and nothing else.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from handler.http.message import HttpRequest, HttpResponse

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
# may mix versions for that long, but each cached file saves an invocation.
PAGE_CACHE = "no-cache"
PART_CACHE = "private, max-age=300"


@dataclass(frozen=True)
class StaticFile:
    """One file of the set, read once."""

    body: bytes
    content_type: str
    etag: str
    cache_control: str

    def response(
        self, if_none_match: str | None = None, uploads: str | None = None
    ) -> HttpResponse:
        """The file, or 304 without it where the caller's `If-None-Match` names this version.

        `uploads` is the bucket that the page may also send pictures to.
        """
        headers = {
            **_security_headers(uploads),
            "cache-control": self.cache_control,
            "etag": self.etag,
        }
        if _names(if_none_match, self.etag):
            return HttpResponse(304, b"", self.content_type, headers)
        return HttpResponse(200, self.body, self.content_type, headers)


def routes() -> dict[str, dict[str, Callable[[HttpRequest, Any, Any], HttpResponse]]]:
    """The routes to add to the table: every address with its endpoint."""
    return {path: {"GET": _endpoint(path)} for path in addresses()}


def serve(
    path: str, if_none_match: str | None = None, uploads: str | None = None
) -> HttpResponse | None:
    """The response to GET `path` (without stage or base path), or None where no file belongs to it.

    Only files that were in the folder at cold start are served, so no path can lead outside it.
    """
    file = addresses().get(path)
    return _read(file).response(if_none_match, uploads) if file else None


@cache
def addresses() -> Mapping[str, Path]:
    """Every address with its file. Cold start lists the folder and reads nothing of it."""
    pages = {address: STATIC / name for address, name in PAGES.items()}
    parts = {
        f"/static/{path.relative_to(STATIC).as_posix()}": path
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in CONTENT_TYPES and path.suffix != ".html"
    }
    return MappingProxyType({**pages, **parts})


def _endpoint(path: str) -> Callable[[HttpRequest, Any, Any], HttpResponse]:
    def show(request: HttpRequest, service: Any, _invocation: Any) -> HttpResponse:
        moved = _canonical(path, request.path)
        if moved:
            return HttpResponse(308, b"", "text/plain; charset=utf-8", {"location": moved})
        uploads = service.settings.uploads if path in PAGES else None
        response = serve(path, request.headers.get("if-none-match"), uploads)
        assert response is not None
        return response

    return show


def _security_headers(uploads: str | None) -> Mapping[str, str]:
    """SECURITY_HEADERS, with the upload bucket as one more place that pictures may go to."""
    if uploads is None:
        return SECURITY_HEADERS
    from handler.storage.uploads import UploadStore

    policy = SECURITY_HEADERS["content-security-policy"]
    policy = policy.replace(
        "connect-src 'self'", f"connect-src 'self' {UploadStore(uploads).origin}"
    )
    return {**SECURITY_HEADERS, "content-security-policy": policy}


def _canonical(route: str, requested: str) -> str | None:
    """Where to redirect to, relative to `requested`, or None if the address is right.

    The page's own addresses are relative, so that they hold behind any stage: `/prod` has to be
    `/prod/` for that, and `/docs/` has to be `/docs`.
    """
    if route == "/" and not requested.endswith("/"):
        return f"{requested.rsplit('/', 1)[-1]}/"
    if route == "/docs" and requested.endswith("/"):
        return "../docs"
    return None


@cache
def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:32]
    cache_control = PAGE_CACHE if path.suffix == ".html" else PART_CACHE
    return StaticFile(body, CONTENT_TYPES[path.suffix], f'"{digest}"', cache_control)


def _names(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 13.1.2: a list of tags or `*`, compared weakly (a proxy may have added W/)."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in tags or "*" in tags
