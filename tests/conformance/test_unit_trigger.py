"""pynenc's unit suite of the trigger component."""

from pynenc_tests.unit.trigger.all_tests import *  # noqa: F403

# Three modules of the suite define a fixture of that name, and only this one's makes the task
# belong to the app under test; with the last one's, a test fails on pynenc's own backends as well.
from pynenc_tests.unit.trigger.test_trigger_all_instances import trigger  # noqa: F401
