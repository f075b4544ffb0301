"""pynenc's own suite, in full: `pynenc_tests.unit.app.all_tests`."""

from pynenc_tests.unit.app.all_tests import *  # noqa: F403
