"""Errors of the system, which are no damage of the file that was being read."""

import errno
import os
import tempfile
from collections.abc import Container

_MEMORY = ("OutOfMemoryError", "ResourceExhaustedError", "RESOURCE_EXHAUSTED")
_NO_TEMPORARY = "No usable temporary directory"
PERMISSION = (errno.EACCES, errno.EPERM)
_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ADVICE = {
    **dict.fromkeys(_ROOM, "Make room in {}, or set TMPDIR to another folder."),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Close files, or raise the limit (ulimit -n)."),
    **dict.fromkeys(PERMISSION, "Give this account the right to read it."),
    errno.ENOMEM: "Free memory, or use a machine with more.",
    **dict.fromkeys((errno.EIO, errno.ESTALE), "Look at the disk or the network it lies on."),
}


class SystemFaultError(OSError):
    """The system cannot read a file that may be whole; the message has the way out."""


def raise_system_fault(error: BaseException, what: object, own: Container[int] = ()) -> None:
    """Raises where an error, or what caused it, is of the system; for handlers of any exception.

    Such are a full disk, too many open files, no memory, no permission and disks that fail, also
    where a library written in C or Rust only tells of them.

    Args:
        error: any exception that reading gave.
        what: the file that was read, as messages show it.
        own: Numbers of `errno` that tell of the file itself here. Defaults to none.

    Raises:
        SystemFaultError: it is.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SystemFaultError):
            raise cause
        number = _number(cause)
        if number is not None and number not in own:
            reason = os.strerror(number)
            advice = _ADVICE[number].format(_temporary_folder())
            told = SystemFaultError(f"Cannot read {what}: {reason}. {advice}")
            told.errno = number
            raise told from error
        cause = cause.__cause__


def _number(error: BaseException) -> int | None:
    text = str(error)
    if isinstance(error, MemoryError) or any(
        sign in f"{type(error).__name__} {text}" for sign in _MEMORY
    ):
        return errno.ENOMEM
    if _NO_TEMPORARY in text:
        return errno.ENOSPC
    if getattr(error, "errno", None) in _ADVICE:
        return error.errno  # type: ignore[attr-defined]
    if isinstance(error, ValueError | LookupError | TypeError):  # Their text may be the file's.
        return None
    return next((number for number in _ADVICE if os.strerror(number) in text), None)


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "the folder for temporary files"
