"""Settings: one typed schema, loaded from defaults, file and environment."""
