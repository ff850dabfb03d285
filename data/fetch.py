"""Downloads that continue where they were cut, and are believed only when size and check-sum are right.

pooch (1.9) checks as well, in fewer lines, but begins at the first byte again wherever a connection is cut,
within a call and from call to call: of the 2 GB of VOC nothing would be left.
"""

import errno
import hashlib
import os
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from data.sources import Archive

ATTEMPTS = 5  # per address; each continues where the one before was cut
PAUSE = 2.0  # seconds between them
TIMEOUT = 60.0  # seconds without a byte
BLOCK = 1 << 20
OWN_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class DamagedError(ValueError):
    """An archive is not the published one."""


def obtain(archive: Archive, folders: Sequence[Path]) -> Path:
    """`archive` from the first of `folders` that has it, or downloaded into the first of them.

    Raises:
        FileNotFoundError: if it is in none of them and is not public; the message says where to get it.
        ValueError: if what is there is not the published file, or the download fails.
    """
    for folder in folders:
        path = folder / archive.name
        if path.is_file():
            try:
                verify(path, archive)
            except DamagedError as error:
                raise DamagedError(f"{error}; remove the file and run the same command again") from None
            return path
    if not archive.urls:
        raise FileNotFoundError(
            f"{archive.name} is not in {' or '.join(map(str, folders))}: it is handed out after registration "
            f"at {archive.login}; put it there and run the same command again"
        )
    return download(archive, folders[0])


def download(archive: Archive, folder: Path) -> Path:
    """Fetch `archive` into `folder`; an unfinished `<name>.part` there is continued.

    Raises:
        ValueError: if no address gives the published file; what arrived is kept if it may be continued.
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / archive.name, folder / f"{archive.name}.part"
    reason = ""
    for url in archive.urls:
        for _ in range(ATTEMPTS):
            continued = part.is_file() and part.stat().st_size > 0
            try:
                receive(url, part)
                verify(part, archive)
            except DamagedError as error:
                part.unlink()
                reason = str(error)
                if not continued:  # else the beginning may have been of another file: once more from there
                    break
            except HTTPError as error:
                error.close()
                reason = f"{url} answers {error.code} {error.reason}"
                if error.code < 500:
                    break
            except (OSError, HTTPException) as error:
                if getattr(error, "errno", None) in OWN_DISK:
                    raise
                reason = f"{url}: {error or type(error).__name__}"
                time.sleep(PAUSE)
            else:
                os.replace(part, path)
                return path
    raise ValueError(
        f"{archive.name} could not be downloaded ({reason}); run the same command again to continue, or get "
        f"it from {archive.urls[0]} by other means and put it into {folder}"
    )


def receive(url: str, part: Path) -> None:
    """Append to `part` what it still lacks of `url`; a server that knows no ranges sends all of it again.

    Raises:
        OSError, HTTPException: if the connection is refused or cut.
    """
    start = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "data.prepare"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not start:
            raise
        error.close()  # nothing is left to send: complete, or longer than the file, which verifying finds out
        return
    with answer:
        if answer.status != 206:
            start = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise ConnectionError(f"asked for byte {start}, got {answer.headers.get('Content-Range')}")
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        bar = tqdm(total=total, initial=start, desc=part.stem, unit="B", unit_scale=True, disable=None)
        with bar, part.open("ab" if start else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"cut off after {part.stat().st_size:,} of {total:,} bytes")


def verify(path: Path, archive: Archive) -> None:
    """Compare size and check-sum of `path` with the published ones, where they are known.

    Raises:
        DamagedError: if they differ.
    """
    size = path.stat().st_size
    if archive.size and size != archive.size:
        raise DamagedError(f"{path} has {size:,} bytes instead of {archive.size:,}")
    if archive.digest:
        algorithm, _, wanted = archive.digest.partition(":")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != wanted:
            raise DamagedError(f"{path} has the {algorithm} check-sum {found} instead of {wanted}")
