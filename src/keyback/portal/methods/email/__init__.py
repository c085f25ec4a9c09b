"""A code of eight digits, sent to a mailbox on file."""
