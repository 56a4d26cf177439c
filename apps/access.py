"""Who may read the pages: a browser on this computer, by this computer's names, from the page itself and no other.

A page of another site can send requests to a server on this computer. What gives it away is what a browser says of
itself and no script can change: the host that it believes it talks to (`Host`: a name of the attacker's that was
rebound to this computer), the page that asks (`Origin`), and how far that page is from ours (`Sec-Fetch-Site`).
"""

import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""The names that a browser on this computer has for it."""
MAX_BODY = 4_000_000
"""Bytes of a request that is no upload."""

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Both frameworks draw by scripts inside the page, and make functions of templates and of plotly's shaders.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "frame-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "object-src 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer: nothing from elsewhere is loaded or told, and no other page reads or frames it."""


class Refused(ValueError):
    """A request that is not answered; status: the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def on_loopback(address: str | None) -> bool:
    """Tell whether a server at this address can be reached from this machine only."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address((address or "0.0.0.0").strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass
class Uploads:
    """The folder that uploads are written to, and how many bytes of them it may hold in all."""

    folder: Path
    limit: int
    coming: int = 0
    """Bytes announced by uploads that are on their way."""

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Keep room for an upload while it comes. Raises Refused if what is there and on its way leaves too little."""
        if sum(sizes(self.folder)) + self.coming + size > self.limit:
            raise Refused(
                413,
                f"The uploads would take more than {self.limit / 1e6:.0f} MB on this computer's disk. Uploads are "
                "deleted an hour after they came, and when the server ends.",
            )
        self.coming += size
        try:
            yield
        finally:
            self.coming -= size


def sizes(folder: Path) -> Iterator[int]:
    """Bytes of each file under a folder; files that go meanwhile are left out."""
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue


class SameMachineOnly:
    """Refuse what does not come from a page of ours on this computer; the outermost layer of an ASGI application.

    names: hosts that the server goes by besides the three loopback names. uploads: where uploads go, if any are taken.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str] = (), uploads: Uploads | None = None) -> None:
        self.app = app
        self.names = {name.strip("[]").lower() for name in (*LOOPBACK, *names)}
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers, method = Headers(scope=scope), scope.get("method", "")
        try:
            check_host(headers, self.names)
            check_origin(headers)
            check_distance(headers, method)
            with self.room_for(scope["path"], body_size(headers)):
                await self.app(scope, receive, hardened(send))
        except Refused as refused:
            await refuse(scope, receive, send, refused)

    def room_for(self, path: str, size: int) -> AbstractContextManager[None]:
        """Keep room for a request's body. Raises Refused if it is too large, at once or when the context is entered."""
        if self.uploads is not None and path.rstrip("/").endswith("/upload"):
            return self.uploads.room_for(size)
        if size > MAX_BODY:
            raise Refused(413, f"The request has {size:,} bytes; at most {MAX_BODY:,} are read.")
        return nullcontext()


def body_size(headers: Headers) -> int:
    """Return the bytes of a request's body as it announces them; the server takes no more. Raises Refused."""
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdecimal()):
        raise Refused(411, "The request does not say how long it is (Content-Length).")
    return int(length[:15])


def check_host(headers: Headers, names: set[str]) -> None:
    """Raise Refused unless the request names this computer: exactly one `Host`, one of the names, with any port."""
    given = headers.getlist("host")
    if len(given) != 1 or host_name(given[0]) not in names:
        raise Refused(
            403,
            f"Host {', '.join(given)[:100]!r} is not served here; this page is open to this computer only, as "
            f"{', '.join(sorted(names))}.",
        )


def host_name(host: str) -> str | None:
    """Return the name in a `Host` header, without port, brackets and case; None where it is not well formed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    odd = parts.username is not None or parts.path or parts.query or parts.fragment
    return None if odd or parts.hostname is None else parts.hostname.rstrip(".")


def check_origin(headers: Headers) -> None:
    """Raise Refused if a page asks that is not ours: its scheme and host with port are not those of the request."""
    given, host = headers.getlist("origin"), headers["host"].lower()
    if given and [each.lower() for each in given] not in ([f"http://{host}"], [f"https://{host}"]):
        raise Refused(403, f"Origin {', '.join(given)[:100]!r} is another page than this one; it is not answered.")


def check_distance(headers: Headers, method: str) -> None:
    """Raise Refused if the browser says that another page loads this as a part of itself; links may be followed."""
    followed = method == "GET" and (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == (
        "navigate",
        "document",
    )
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not followed:
        raise Refused(403, "Another page asks for this as a part of itself; it is not answered.")


async def refuse(scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
    """Say that a request is not answered, and why; a web socket is not opened."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": str(refused)[:120]})
        return
    answer = PlainTextResponse(f"{refused}\n", refused.status, {**HEADERS, "connection": "close"})
    await answer(scope, receive, send)


def hardened(send: Send) -> Send:
    """Return a way to answer with our headers, and without leave for any other page."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in [name for name in headers if name.lower().startswith("access-control-")]:
                del headers[name]
            headers.update(HEADERS)
        await send(message)

    return sent
