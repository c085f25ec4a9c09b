"""Passkeys (WebAuthn): a key that a phone, a computer or a security key holds, and opens only for its owner."""
