"""pynenc's own suite, in full: `pynenc_tests.unit.client_data_store.all_tests`."""

from pynenc_tests.unit.client_data_store.all_tests import *  # noqa: F403
