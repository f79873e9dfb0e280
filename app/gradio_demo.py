"""The share-link demo and its API: `python -m app.gradio_demo`. One study or picture in; picture, table and files out.

What a visitor has is a `Visit` in the session's state; it goes with the browser tab, and so do its files. Uploads are
deleted as soon as they are read. No module keeps anything of anybody.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

import infnet
from app.core.jobs import patience
from app.core.texts import RESEARCH_USE
from app.demo.guard import Guard, Login, Owners, allowed_hosts
from app.demo.page import CSS, THEME, build
from app.demo.uploads import private_uploads
from infnet.files import private_folder
from infnet.pipeline.models import Engines, forget_engines

VISITS = 32  # studies held at once; the one that was idle longest goes first
LARGEST_UPLOAD = "2gb"


@contextmanager
def gradio_files_in(folder: Path) -> Iterator[Owners]:
    """Let Gradio keep uploads and what it serves in `folder`: it learns of it from its own variable only.

    Yields who owns what there.
    """
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    owners = Owners(folder)
    try:
        with private_uploads(owners):
            yield owners
    finally:
        del os.environ["GRADIO_TEMP_DIR"]
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before


# What every page is served with, whoever asks for it.
SERVED: dict[str, Any] = {
    "server_name": "127.0.0.1",
    "prevent_thread_lock": True,
    "quiet": True,
    "theme": THEME,
    "css": CSS,
    "favicon_path": Path(__file__).with_name("icon.png"),
    "footer_links": ["api"],
    "max_file_size": LARGEST_UPLOAD,
    "state_session_capacity": VISITS,
    "enable_monitoring": False,
    "ssr_mode": False,
    "run_history": False,  # it would keep studies in the browser
}


def login(text: str | None, share: bool) -> Login | None:
    """User and password of `--auth`. Raises InfNetError where a shared page would have none."""
    user, _, password = (text or "").partition(":")
    if text and not (user and password):
        raise infnet.InfNetError("--auth: not a user and a password; give --auth USER:PASSWORD")
    if share and not text:
        raise infnet.InfNetError("--share: anybody on the internet could open it; give --auth USER:PASSWORD too")
    return Login(user, password) if text else None


def launch(demo: gr.Blocks, owners: Owners, port: int, auth: Login | None = None, share: bool = False) -> str:
    """Serve on this machine, and through a share link where asked for; the address. Raises InfNetError."""
    try:
        kept_apart = {"middleware": [Middleware(Guard, owners=owners, allowed=allowed_hosts(share))]}
        _, local, shared = demo.launch(server_port=port, auth=auth, share=share, app_kwargs=kept_apart, **SERVED)
    except OSError:
        raise infnet.InfNetError(f"--port {port}: in use; give another one") from None
    if share and not shared:
        demo.close()
        raise infnet.InfNetError("--share: no link to be had; check that this machine reaches the internet")
    return shared or local


def renewed(model: str | None) -> Engines:
    """The networks, built anew."""
    forget_engines()
    return infnet.load_engines(model)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo until it is interrupted; returns the exit status, 2 after one line on bad input."""
    parser = argparse.ArgumentParser(prog="app.gradio_demo", description=f"The demo with a web API. {RESEARCH_USE}")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--model", help="infection model of the registry (see `python -m infnet info`)")
    parser.add_argument("--share", action="store_true", help="open it to the internet; uploads pass Gradio's servers")
    parser.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        default=os.environ.get("INFNET_DEMO_AUTH"),
        help="ask for this login; better in INFNET_DEMO_AUTH, where others do not see it",
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up when a container stops, too
    try:
        auth = login(options.auth, options.share)
        patience()  # a wrong setting is told now, and not to the first visitor
        engines = infnet.load_engines(options.model)
        with private_folder() as folder, gradio_files_in(folder) as owners:
            demo = build(engines, owners, partial(renewed, options.model))
            address = launch(demo, owners, options.port, auth, options.share)
            print(f"infnet demo on {address} (Ctrl-C stops it). {RESEARCH_USE}", flush=True)
            demo.block_thread()
    except infnet.InfNetError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
