"""HTTP at our edge."""
