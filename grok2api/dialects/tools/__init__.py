"""Client function tools over an upstream that has none: asked for in the prompt, found in text."""
