"""OpenAI- and Anthropic-compatible APIs in front of an operator's own Grok accounts."""
