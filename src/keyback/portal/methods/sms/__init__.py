"""A code of six digits, in a text message to a mobile number on file."""
