"""pynenc's own suite, in full: `pynenc_tests.unit.app_id_isolation.all_tests`."""

from pynenc_tests.unit.app_id_isolation.all_tests import *  # noqa: F403
