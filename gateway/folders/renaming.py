"""Renaming that never overwrites: the kernel looks and renames in one step, so nobody can come in between."""

import ctypes
import errno
import os
import secrets

_NOREPLACE = 1
_NOT_HERE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_libc = ctypes.CDLL(None, use_errno=True)


def rename_to_free(directory: int, old: str, new: str) -> str:
    """Rename inside one open directory; returns the name. Raises FileExistsError when it is taken, else OSError.

    Where the file system cannot do it in one step (some mounted shares), `new` gets a random beginning that makes it
    a name which nobody else can have meant.
    """
    done = _libc.renameat2(directory, os.fsencode(old), directory, os.fsencode(new), _NOREPLACE)
    if done == 0:
        return new
    code = ctypes.get_errno()
    if code not in _NOT_HERE:
        raise OSError(code, os.strerror(code), new)
    unique = f"{secrets.token_hex(8)}~{new[-100:]}"
    os.rename(old, unique, src_dir_fd=directory, dst_dir_fd=directory)
    return unique
