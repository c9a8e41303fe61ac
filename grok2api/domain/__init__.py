"""Frozen values and pure rules that every other package speaks."""
