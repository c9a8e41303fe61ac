"""gunicorn's own settings, from ours: `gunicorn -c gunicorn.conf.py` is `serve` without a store.

Of the environment only GROK2API_SUPERVISOR_PID is read here: who is to take this process along.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from grok2api.config.loader import load_boot, load_settings, prepare
from grok2api.processes import end_with_parent
from grok2api.telemetry.logging import configure_process_logging

_boot = prepare(load_boot())
_metrics = _boot.data_dir / "metrics"
_memory = Path("/dev/shm")  # noqa: S108 -- gunicorn makes its heartbeat file there safely

wsgi_app = f"grok2api.app:create_app(metrics_folder={str(_metrics)!r})"
bind = f"[{_boot.host}]:{_boot.port}" if ":" in _boot.host else f"{_boot.host}:{_boot.port}"
workers = _boot.workers
worker_class = "grok2api.web.server.GatewayWorker"
graceful_timeout = _boot.graceful_timeout_s
# A worker whose event loop is blocked for this long is killed and replaced.
timeout = 60
# Longer than a balancer's idle time, or it sends requests into closing connections.
keepalive = 75
# Heartbeats must not wait for a slow disk.
worker_tmp_dir = str(_memory) if os.access(_memory, os.W_OK) else None
# Recycling workers would cut long streams; clients and stores must not cross a fork.
max_requests = 0
preload_app = False
control_socket_disable = True
# Its format holds query strings; the application writes its own line.
accesslog = None
# Until on_starting has made our own logging of it.
loglevel = "warning"
proc_name = "grok2api"


def on_starting(_server: Any) -> None:
    """Begin with empty metrics, log as the workers do, and never outlive the supervisor."""
    logs = load_settings(_boot.data_dir).settings.logging
    configure_process_logging(_boot, logs, needs_file=True)
    shutil.rmtree(_metrics, ignore_errors=True)
    _metrics.mkdir(mode=0o700, exist_ok=True)
    supervisor = os.environ.get("GROK2API_SUPERVISOR_PID", "")
    if supervisor.isdecimal():
        end_with_parent(int(supervisor))


def post_fork(server: Any, _worker: Any) -> None:
    """Let no worker outlive its master: it would keep the port."""
    end_with_parent(server.pid)
