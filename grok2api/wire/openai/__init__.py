"""OpenAI wire types."""
