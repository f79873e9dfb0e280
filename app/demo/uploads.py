"""Uploaded files of the demo's visitors: under names of our own, each in a folder that one visitor owns."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradio import routes

from app.demo.guard import Owners, visitor_of
from infnet.read.files import natural_key

UNUSED = 900.0  # seconds after which an upload goes that nobody has run


@contextmanager
def private_uploads(owners: Owners) -> Iterator[None]:
    """Let Gradio keep uploads as this module wants; its own way is a folder that everybody with the same file shares,
    under the name that the file had. It offers no setting for that.
    """
    module: Any = routes  # keeps it as a name of its own
    theirs = module.upload_fn

    async def upload(request: Any, upload_dir: Any, *rest: Any, **options: Any) -> Any:
        folder = owners.folder / secrets.token_urlsafe(16)
        folder.mkdir(mode=0o700)
        owners.give(folder, visitor_of(request.headers.get("cookie")))
        try:
            # Gradio puts the files of this one request under `folder`, where it can move them at once.
            files, to_copy, places = await theirs(request, folder, *rest, **options)
            named = _renamed([Path(file) for file in files], folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        timer = threading.Timer(UNUSED, shutil.rmtree, (folder,), {"ignore_errors": True})
        timer.daemon = True
        timer.start()
        return named, to_copy, places

    module.upload_fn = upload
    try:
        yield
    finally:
        module.upload_fn = theirs


def _renamed(files: list[Path], folder: Path) -> list[str]:
    """Move uploads out of the folders that Gradio named after their content; numbered in the order of their names,
    since that is the order of loose pictures. The same file twice is one.
    """
    ordered = sorted(set(files), key=lambda file: (natural_key(file.name), str(file)))
    places = {file: folder / f"file_{number}" for number, file in enumerate(ordered, 1)}
    for file, place in places.items():
        file.replace(place)
    for emptied in {file.parent for file in files}:
        emptied.rmdir()
    return [str(places[file]) for file in files]
