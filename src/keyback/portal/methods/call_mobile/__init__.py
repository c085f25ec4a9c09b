"""A code of six digits, spoken in a call to a mobile number on file."""
