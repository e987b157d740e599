"""The built book as its reader meets it: files read back, a server of this machine, and a browser that tells faults."""

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

# No name is looked up but this machine's, so nothing leaves it; a request that is held up by a handler of Playwright's
# would turn the cache off.  Nothing here is drawn by a graphics card.
BROWSER_ARGUMENTS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-gpu",
    "--disable-software-rasterizer",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Attributes that make a browser fetch something by itself; <a href> waits for the reader.
FETCHED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("audio", "src"),
    ("embed", "src"),
    ("object", "data"),
    ("img", "srcset"),
    ("input", "src"),
    ("use", "href"),
}
FETCHING_LINKS = {
    "stylesheet",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "icon",
    "shortcut icon",
    "manifest",
    "modulepreload",
}


class Page(HTMLParser):
    """What one page fetches, which images its article shows, where its links go and where links can lead."""

    def __init__(self, path: Path, text: str | None = None):
        super().__init__()
        self.path, self.fetched, self.images, self.links, self.ids = path, [], [], [], []
        self.in_article = False
        self.feed(path.read_text(encoding="utf-8") if text is None else text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.fetched += [value for name, value in attrs if (tag, name) in FETCHED and value]
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        if tag == "link" and attributes.get("rel", "").lower() in FETCHING_LINKS:
            self.fetched.append(attributes["href"])
        self.in_article = self.in_article or tag == "article"
        if tag == "img" and self.in_article:
            self.images.append(attributes)
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])

    def handle_endtag(self, tag):
        self.in_article = self.in_article and tag != "article"


def page_files(html: Path) -> list[Path]:
    """Every page of the built book; the theme leaves templates in _static that are none."""
    return [path for path in sorted(html.rglob("*.html")) if path.relative_to(html).parts[0] != "_static"]


def browser_program() -> str | None:
    """The first of ``BROWSERS`` on the path."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Site:
    """A folder at an address of this machine; it remembers what was asked for and is not there."""

    def __init__(self, folder: Path):
        self.folder, self.missing = folder, []
        handler = partial(_Handler, directory=str(folder), missing=self.missing)
        self.server = _Server(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"

    def __enter__(self) -> "Site":
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self.server.shutdown()
        self.server.server_close()

    def names(self) -> list[str]:
        """Every page but the front door, which only sends the reader on, and the one page that repeats all others."""
        names = [path.relative_to(self.folder).as_posix() for path in page_files(self.folder)]
        return [name for name in names if name not in ("index.html", "ganbook.html")]

    @contextmanager
    def reader(self, browser, **settings):
        """Open a browser page in a context of its own."""
        settings = {"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **settings}
        context = browser.new_context(**settings)
        try:
            yield Reader(context, self)
        finally:
            context.close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Say nothing: a browser that leaves a page hangs up on what it was still fetching."""


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments, missing: list[str], **settings):
        self.not_there = missing
        super().__init__(*arguments, **settings)

    def send_error(self, code, message=None, explain=None):
        self.not_there.append(self.path)
        super().send_error(code, message, explain)

    def log_message(self, format, *arguments):
        pass


@dataclass
class Reader:
    """A page of the browser, and every fault that it showed since it was opened."""

    context: object
    site: Site
    told: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.already_missing = len(self.site.missing)
        self.page = self.context.new_page()
        self.page.on("console", self._listen)
        self.page.on("request", self._follow)
        self.page.on("pageerror", lambda error: self.told.append(f"error: {error}"))
        self.page.on("websocket", lambda socket: self.told.append(f"left the machine: {socket.url}"))

    def _listen(self, message) -> None:
        # The site itself remembers what was asked for in vain, and by its address.
        if message.type in ("error", "warning") and "the server responded with a status of 404" not in message.text:
            self.told.append(f"console: {message.text}")

    def _follow(self, request) -> None:
        if not request.url.startswith((self.site.address, "data:", "blob:")):
            self.told.append(f"left the machine: {request.url}")

    def open(self, name: str, *, ready: str = "") -> None:
        """Open a page by its name and wait until its formulas are set, and until ``ready`` holds."""
        self.page.goto(self.site.address + name)
        self.page.evaluate("() => window.MathJax?.startup?.promise.then(() => true)")
        if ready:
            self.page.wait_for_function(ready)

    def faults(self) -> list[str]:
        """Every fault so far; an address that was asked for in vain is one."""
        return self.told + [f"missing: {path}" for path in self.site.missing[self.already_missing :]]


def is_external(url: str) -> bool:
    return re.match(r"(?i)(https?:)?//", url) is not None
