"""Use cases; they speak domain types only."""
