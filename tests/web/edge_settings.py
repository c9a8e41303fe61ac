"""Settings of the tests' gateways that have to do with its edge."""

from typing import Any

import msgspec

from grok2api.config.schema import AppSettings, Settings
from tests.web.conftest import TEST_SETTINGS

METRICS_TOKEN = "planted-metrics-token"
PASSWORD = "the-operators-password"


def with_security(password: str = "", **changes: Any) -> Settings:
    """Return the tests' settings with a password and changes of `security`."""
    security = msgspec.structs.replace(TEST_SETTINGS.security, **changes)
    app = AppSettings(app_key=password)
    return msgspec.structs.replace(TEST_SETTINGS, security=security, app=app)
