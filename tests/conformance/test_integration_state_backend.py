"""pynenc's own suite, in full: `pynenc_tests.integration.state_backend.all_tests`."""

from pynenc_tests.integration.state_backend.all_tests import *  # noqa: F403
