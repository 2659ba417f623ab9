"""Tables: one module a table, and what they share."""
