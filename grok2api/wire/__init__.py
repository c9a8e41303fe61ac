"""msgspec Structs that mirror what is on the wire."""
