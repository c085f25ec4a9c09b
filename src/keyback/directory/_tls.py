"""What is wrong with TLS, in a sentence that says what to do. OpenSSL's own words stand behind it."""

from __future__ import annotations

import ssl

__all__ = ["tls_problem"]

# X509_V_ERR_* (openssl/x509_vfy.h)
_CERTIFICATE = {
    9: "it is not valid yet: compare the clocks of both machines",
    10: "it has expired: renew it",
    18: "it is self-signed and not trusted: put it, or better the authority that should issue it, into {ca}",
    19: "its authority is not trusted: put that authority's own certificate into {ca}",
    20: "its authority is not trusted, or one between them is not sent along: put the missing one into {ca}",
    21: "its authority is not trusted, or one between them is not sent along: put the missing one into {ca}",
    23: "it was revoked: renew it",
    26: "it is not one for servers: issue one for server authentication",
    62: "it is for another name: use a name that it carries, or issue one for this name",
    64: "it is for another address: use a name that it carries, or issue one for this address",
    66: "its key is too weak: issue one with RSA of 2048 bits or more, or P-256",
    67: "its authority's key is too weak: use an authority with RSA of 2048 bits or more, or P-256",
    68: "it is signed with an outdated hash: issue one signed with SHA-256",
}

_AGREEMENT = {
    "WRONG_VERSION_NUMBER": "what answers there does not speak TLS: check scheme and port",
    "RECORD_LAYER_FAILURE": "what answers there does not speak TLS: check scheme and port",
    "UNSUPPORTED_PROTOCOL": "it offers older versions than TLS 1.2 only: enable TLS 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it offers older versions than TLS 1.2 only: enable TLS 1.2",
    "NO_PROTOCOLS_AVAILABLE": "it offers older versions than TLS 1.2 only: enable TLS 1.2",
    "DH_KEY_TOO_SMALL": "its Diffie-Hellman parameters are too weak: use 2048 bits or more",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "no common cipher: enable one of TLS 1.2 or 1.3",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a client certificate, of which there is none",
    "UNEXPECTED_EOF_WHILE_READING": "it hung up: it may have no certificate, or something between cuts TLS",
}


def tls_problem(error: ssl.SSLError, ca: str) -> str:
    """``ca``: the file that trusted authorities are in, as the sentence should call it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _CERTIFICATE.get(error.verify_code)
        said = error.verify_message.rstrip(".")
        return f"certificate refused: {said}" + (f"; {advice.format(ca=ca)}" if advice else "")
    # Somebody hanging up is told in two ways: Debian 12's Python 3.11.2 takes it for an orderly end.
    hung_up = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    reason = error.reason or ("UNEXPECTED_EOF_WHILE_READING" if hung_up else str(error))
    advice = _AGREEMENT.get(reason)
    return f"no TLS: {reason.replace('_', ' ').lower()}" + (f"; {advice}" if advice else "")
