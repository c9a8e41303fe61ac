"""Periodic work, done by whichever process leads."""
