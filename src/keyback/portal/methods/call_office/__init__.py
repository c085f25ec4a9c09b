"""A code of six digits, spoken in a call to an office telephone on file."""
