"""Client formats to and from the domain; pure."""
