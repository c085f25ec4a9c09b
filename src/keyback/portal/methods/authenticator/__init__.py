"""Codes that an authenticator app or a hardware token shows (TOTP, RFC 6238)."""
