"""A pynenc app that indexes the standard library of the Python that runs it."""

FOLDER_VARIABLE = "STDLIB_INDEX_FOLDER"  # where the client and its workers meet
