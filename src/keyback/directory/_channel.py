"""Channel binding for GSSAPI within TLS (RFC 5929, tls-server-end-point), which controllers may insist on.

python-ldap has no name for the option. libldap reads it from the environment, once, when the library is first loaded:
so this comes before every import of ``ldap``.
"""

import os

os.environ.setdefault("LDAPSASL_CBINDING", "tls-endpoint")
