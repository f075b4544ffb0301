"""pynenc's own suite, in full: `pynenc_tests.integration.app_id_isolation.all_tests`."""

from pynenc_tests.integration.app_id_isolation.all_tests import *  # noqa: F403
