"""The upstream played by a Starlette app: every frame, every fault, and a ledger."""
