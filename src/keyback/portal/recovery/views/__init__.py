"""The pages of a recovery, one module for each step."""
