"""A self-signed certificate for development, for this machine's name and the loopback addresses.

It is not a certificate authority, so that a client that trusts it trusts this server only.
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tailwire.server import private_files

VALID_YEARS = 2


def self_signed(folder: Path, host: str) -> tuple[str, str]:
    """Return the paths of a self-signed certificate and of its key, two PEM files in `folder`.

    If one of them is missing, both are created. Existing files are used as they are, even if they were made for another
    host or have expired.

    Args:
        host: a name or address that a new certificate is valid for, besides localhost and the loopback addresses.

    Raises:
        OSError: if a file cannot be written.
    """
    certificate_file, key_file = folder / "development-cert.pem", folder / "development-key.pem"
    if certificate_file.exists() and key_file.exists():
        return str(certificate_file), str(key_file)
    private_files.make_folder(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tailwire development")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for address in ("127.0.0.1", "::1", host):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            names.append(x509.DNSName(address))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * VALID_YEARS))
        .add_extension(x509.SubjectAlternativeName(list(dict.fromkeys(names))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    private_files.write_whole(key_file, private)
    private_files.write_whole(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    return str(certificate_file), str(key_file)
