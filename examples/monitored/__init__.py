"""A pynenc app with something of everything that the monitor shows."""

from __future__ import annotations

# Where the client, its workers and the monitor meet.
URL_VARIABLE = "MONITORED_URL"  # a server; without one, an embedded server in the folder
FOLDER_VARIABLE = "MONITORED_FOLDER"
APP_VARIABLE = "MONITORED_APP"  # the app's id, for several apps on one server
