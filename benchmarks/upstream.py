"""The simulator asked without a gateway in between: what the upstream alone takes."""

import asyncio
import uuid
from time import perf_counter
from urllib.parse import urlsplit

import msgspec
