"""What a certificate says, for people: who issued it and how long it lasts."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from keyback.agent.checks.findings import Finding, Status

__all__ = ["judge_certificate"]

SOON = timedelta(days=21)


def judge_certificate(code: str, der: bytes, now: datetime, took_ms: int) -> Finding:
    """On a certificate that was verified."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        issuer = certificate.issuer.rfc4514_string()
    except ValueError:  # accepted by TLS, and still odd: some authorities write what no standard allows
        return Finding(code, Status.OK, "TLS: the certificate is trusted, but cannot be described", took_ms=took_ms)
    ends = certificate.not_valid_after_utc
    text = f"TLS: the certificate is trusted; issued by {issuer}, valid until {ends:%Y-%m-%d}"
    if ends - now < SOON:
        repair = ("Renew the certificate before it ends.",)
        return Finding(code, Status.WARNING, f"{text}, in {max(0, (ends - now).days)} days", repair, took_ms)
    return Finding(code, Status.OK, text, took_ms=took_ms)
