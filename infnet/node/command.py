"""`infnet node` and `infnet watch` on the command line."""

from __future__ import annotations

import argparse
import logging
import os
import ssl
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from infnet.errors import InfNetError
from infnet.node.send import is_loopback, is_plain

STOPPED = "what came is kept, and it goes on when it is started again"


def add_commands(commands: Any, add_model: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add both to the parsers of the command line."""
    node = commands.add_parser("node", help="a DICOM node: receives CT studies, sends their results to the archive")
    node.add_argument("--aet", default="INFNET", help="AE title of the node (INFNET)")
    node.add_argument("--host", default="127.0.0.1", help="address to listen on; another than 127.0.0.1 opens it")
    node.add_argument("--port", type=int, default=11112, help="port to listen on (11112)")
    node.add_argument(
        "--from",
        dest="callers",
        action="append",
        default=[],
        metavar="AET",
        help="AE title that may send; several times",
    )
    node.add_argument("--most-gb", type=float, default=4.0, help="the largest study that is taken, GB (4)")
    node.add_argument(
        "--keep-days", type=float, default=0.0, help="keep what was received after the result is sent (0)"
    )
    node.add_argument("--status", action="store_true", help="print where the studies are, and end")
    _add_both(node, add_model)
    node.set_defaults(run=node_command)

    watch = commands.add_parser(
        "watch", help="a folder in which studies appear: each is segmented, and its result sent"
    )
    watch.add_argument("folder", type=Path, metavar="FOLDER", help="a folder, zip or file in it is a study")
    watch.add_argument("--aet", default="INFNET", help="AE title that calls the archive (INFNET)")
    _add_both(watch, add_model)
    watch.set_defaults(run=watch_command)


def _add_both(command: argparse.ArgumentParser, add_model: Callable[[argparse.ArgumentParser], None]) -> None:
    command.add_argument("--out", type=Path, required=True, help="folder for what waits and what was made")
    command.add_argument(
        "--to", metavar="WHERE", help="AET@HOST:PORT, or https://HOST/dicom-web (STOW-RS); OUT/results/ without it"
    )
    command.add_argument(
        "--quiet-seconds", type=float, default=30.0, help="after which nothing more of a study comes (30)"
    )
    command.add_argument("--pdf", choices=("en", "de"), default="en", help="language of the page (en)")
    command.add_argument("--limit-minutes", type=float, default=60.0, help="give a study up after so long (60)")
    command.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="certificate (PEM): all DICOM connections by TLS"
    )
    command.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key (PEM)")
    command.add_argument("--tls-ca", type=Path, metavar="FILE", help="authorities (PEM) that the others' must be of")
    add_captures(command)
    add_model(command)
    command.set_defaults(stopped=STOPPED)


def add_captures(command: argparse.ArgumentParser, when: str = "") -> None:
    command.add_argument(
        "--captures",
        action="store_true",
        help=f"{when}the slices with a lesion as pictures (secondary capture), too, for viewers that show no SEG",
    )


def node_command(options: argparse.Namespace) -> None:
    from infnet.node.arrivals import Arrivals
    from infnet.node.listen import Options, listening
    from infnet.node.queue import Queue
    from infnet.node.status import status

    if options.status:
        print(status(options.out))
        return
    for aet in (options.aet, *options.callers):
        _check_aet(aet)
    _within("--most-gb", options.most_gb, 0.001, 1024)
    _within("--keep-days", options.keep_days, 0, 3650)
    where = Options(
        options.aet, options.host, options.port, options.callers, int(options.most_gb * 1e9), _tls(options, server=True)
    )
    settings, target = _prepared(options)
    with _held(options) as stack:
        queue = Queue(options.out)
        arrivals = Arrivals(queue, options.quiet_seconds)
        queue.open()
        host, port = stack.enter_context(listening(queue, arrivals, where, say))
        say(f"listening on {host}:{port} as {options.aet}")
        if not is_loopback(host):
            who = "the AE titles of --from" if options.callers else "everybody"
            say(f"warning: {host} is open to the network, and {who} may send; loopback is the default")
        _go(queue, arrivals, settings, target, options.keep_days)


def watch_command(options: argparse.Namespace) -> None:
    from infnet.node.queue import Queue
    from infnet.node.watch import Watched

    _check_aet(options.aet)
    if options.folder.resolve() == options.out.resolve():
        raise InfNetError(f"{options.out}: is the folder that is watched; give another one for --out")
    settings, target = _prepared(options)
    with _held(options):
        queue = Queue(options.out)
        watched = Watched(options.folder, options.out, options.quiet_seconds)
        queue.open()
        say("watching")
        _go(queue, watched, settings, target, 0.0)


def _held(options: argparse.Namespace) -> ExitStack:
    """Lock the folder, and make all that this process and its children write private, until the context ends."""
    from infnet.cohort.journal import held
    from infnet.files import sweep

    _within("--quiet-seconds", options.quiet_seconds, 0, 86400)
    _within("--limit-minutes", options.limit_minutes, 0.01, 20_000)
    logging.disable(logging.CRITICAL)  # libraries log values of patients
    warnings.simplefilter("ignore")
    threading.excepthook = lambda failed: say(f"internal error ({failed.exc_type.__name__}); please report it")
    sweep()
    with ExitStack() as stack:
        stack.callback(_break_off)
        before = os.umask(0o077)
        stack.callback(os.umask, before)
        stack.enter_context(held(options.out))
        return stack.pop_all()


def _break_off() -> None:
    """End the connections that are still open: Python would wait for their threads as long as for the other side."""
    for thread in threading.enumerate():
        if kill := getattr(thread, "kill_dul", None):  # of pynetdicom
            kill()


def _prepared(options: argparse.Namespace) -> tuple[Any, Any]:
    """Settings and target, before anything is received. Raises InfNetError for what cannot be.

    What takes long to import is imported here: libraries on their way in may swallow the exception that ends us.
    """
    from infnet.cohort.row import Settings
    from infnet.node.send import Folder, target_of

    settings = Settings(
        options.model,
        options.threshold,
        options.engine,
        options.device,
        options.precision,
        limit_minutes=options.limit_minutes,
        page=options.pdf,
        dicom=True,
        captures=options.captures,
    )
    settings.checked()
    if not options.to:
        return settings, Folder(options.out / "results")
    target = target_of(options.to, options.aet, _tls(options, server=False))
    if is_plain(options.to):
        say("warning: results, which name the patient, go over the network as plain text; give https://...")
    return settings, target


def _go(queue: Any, feed: Any, settings: Any, target: Any, keep_days: float) -> None:
    """Work until this process is told to end."""
    from infnet.node.run import work_off
    from infnet.node.send import Sender

    sender = Sender(queue, target, say)
    sender.start()
    try:
        work_off(queue, feed, settings, keep_days, say)
    finally:
        sender.stop()


def _check_aet(aet: str) -> None:
    if not 0 < len(aet.strip()) <= 16 or not aet.isascii() or not aet.isprintable() or "\\" in aet:
        raise InfNetError("an AE title has 1 to 16 characters of ASCII; give another")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InfNetError(f"{name} {value:g}: give a number from {least:g} to {most:g}")


def _tls(options: argparse.Namespace, server: bool) -> ssl.SSLContext | None:
    """TLS as the options say, None without. Raises InfNetError for files that cannot be used."""
    if options.tls_cert is None:
        if options.tls_key or options.tls_ca:
            raise InfNetError("--tls-key and --tls-ca go with --tls-cert; give that, too")
        return None
    try:
        purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
        context = ssl.create_default_context(purpose, cafile=options.tls_ca)
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except (OSError, ValueError) as error:  # also what is no certificate
        raise InfNetError(f"--tls: the files cannot be used ({error}); give certificates and key as PEM") from None
    if server and options.tls_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def say(line: str) -> None:
    """A line of the log."""
    from infnet.export.table import printable

    print(printable(line), file=sys.stderr, flush=True)
