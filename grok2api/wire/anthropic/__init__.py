"""Anthropic wire types."""
