"""Session accounts of the Grok web site."""
