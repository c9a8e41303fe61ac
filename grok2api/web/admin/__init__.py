"""Administration: JSON routes for operators and pages."""
