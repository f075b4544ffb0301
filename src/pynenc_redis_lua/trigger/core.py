"""What every part of the trigger component needs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pynenc.conf.validation_trigger import validate_trigger_config
from pynenc.trigger.base_trigger import BaseTrigger

from pynenc_redis_lua.component import RedisComponent
from pynenc_redis_lua.conf import ConfigTriggerRedis

if TYPE_CHECKING:
    from pynenc.app import Pynenc


class TriggerCore(RedisComponent, BaseTrigger):
    """What every part of the trigger component needs."""

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self.connect(app, self.conf)

    @cached_property
    def conf(self) -> ConfigTriggerRedis:
        """The settings."""
        conf = ConfigTriggerRedis(
            config_values=self.app.config_values, config_filepath=self.app.config_filepath
        )
        validate_trigger_config(conf)
        return conf
