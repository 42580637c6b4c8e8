# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Files that a clone without Git LFS does not have."""


# %% book/given/estimators.md
POINTER = b"version https://git-lfs.github.com/spec/v1"


def refuse_pointer(path, error=ValueError, data=None):
    """Raise `error` if `path` holds a Git LFS pointer, not the file.

    Parameters
    ----------
    path : str or path
    error : type
        The exception of the caller's format.
    data : bytes, optional
        What was read from it, if it was read already.
    """
    if data is None:
        with open(path, "rb") as file:
            data = file.read(len(POINTER))
    if data.startswith(POINTER):
        raise error(
            f"{path}: a Git LFS pointer in place of the file: "
            "`git lfs pull` fetches it"
        )
