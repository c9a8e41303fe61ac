"""Pure translation between domain values and what grok.com speaks; ids and times are arguments."""
