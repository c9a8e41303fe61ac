"""Upstream kinds; each package is one plug."""
