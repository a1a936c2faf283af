"""Contents of directories, to compare them before and after."""


def read_files(folder):
    """Returns the content of every file below a folder, by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
