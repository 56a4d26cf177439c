"""What every test gets: no network, few threads; and what many share: the smallest embedder, a browser."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # also for the processes that tests start

import ipaddress
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from core.encoder.embedder import Embedder

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

torch.set_num_threads(1)
# A busy machine is no failure: what a test may take is not measured by the example.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Give each test one thread, whatever the test before it chose for its process."""
    torch.set_num_threads(1)


def is_local(host: str | bytes | None) -> bool:
    """Whether a host is this machine: a loopback address, its own name, or none at all."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "0.0.0.0", "::", socket.gethostname(), socket.getfqdn()):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def guarded_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    """socket.connect that fails the test when the address is another machine."""

    def local_connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            pytest.fail(f"A test reached for the network: {address!r}.")
        return connect(self, address)

    return local_connect


def guarded_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    """socket.getaddrinfo that fails the test when the name is another machine's."""

    def local_lookup(host: Any, *arguments: Any, **options: Any) -> Any:
        if not is_local(host):
            pytest.fail(f"A test looked up {host!r}.")
        return lookup(host, *arguments, **options)

    return local_lookup


@pytest.fixture(scope="session", autouse=True)
def offline() -> Iterator[None]:
    """Only this machine can be reached while tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded_connect(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", guarded_lookup(socket.getaddrinfo))
        yield


@pytest.fixture(scope="session")
def tiny() -> "Embedder":
    """The smallest embedder: real classes, one layer, width 32, seed 0. Shared: do not train it."""
    from core.encoder.tiny.llava_onevision import tiny_embedder

    return tiny_embedder(width=32, layers=1, vision_layers=1)


@pytest.fixture(scope="session")
def small_runs() -> ModuleType:
    """The functions that write small runs and bundles from random vectors, without a model."""
    import small_runs

    return small_runs


@pytest.fixture(scope="session")
def written_run(small_runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with one bundle. Shared: copy before changing it."""
    return small_runs.write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(written_run: Path, tmp_path: Path) -> Path:
    """A copy of the run in a root folder of its own."""
    return shutil.copytree(written_run, tmp_path / "runs" / "good")


@pytest.fixture
def bundle_folder(run: Path) -> Path:
    """The bundle of the copied run."""
    return run / "bundles" / "000010-miniature"


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """A headless Chromium, from $CHROMIUM or the PATH; skips where there is none.

    It lives for a module only: while playwright runs, this thread has a running event loop, and asyncio.run fails.
    """
    from playwright.sync_api import sync_playwright

    named = os.environ.get("CHROMIUM")
    path = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("BROWSER TEST NOT RUN: no chromium on the PATH; install it or set CHROMIUM to its path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
