"""The simulator asked without a gateway in between: what the upstream alone takes."""
