"""Logs, metrics and token estimates."""
