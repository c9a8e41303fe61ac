"""Stored pictures and videos: one object store, a local folder or S3, behind one class."""
