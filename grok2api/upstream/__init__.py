"""Outbound connections: HTTP and WebSocket with a browser profile, abortable and back-pressured."""
