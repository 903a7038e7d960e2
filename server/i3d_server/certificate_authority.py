"""The certificates of a lab server: its authority, the gateway's, one a lab, and what is revoked.

X.509 as in RFC 5280, keys on the curve P-256, signatures with SHA-256. Functions from keys and
certificates to such; ``labs`` keeps the files.

A lab's certificate is good for a client alone (extended key usage): no lab can pass itself off as
the gateway to another. Its common name is the lab's name, which is all the gateway knows of it.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from i3d_server.labs_files import LabsError

AUTHORITY_DAYS = 3653
CRL_DAYS = 3653
_CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """What signs."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as ``AB:CD:…``; ``openssl x509 -fingerprint`` prints it."""
        return self.certificate.fingerprint(SHA256()).hex(":").upper()


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def new_authority(*, now: datetime) -> Authority:
    """Make an authority; each has a name of its own, so that their certificates are told apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"i3d labs {secrets.token_hex(4)}")
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(name, key, now=now, days=AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(own, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
        )
    )
    return Authority(key=key, certificate=builder.sign(key, SHA256()))


def read_authority(key: bytes, certificate: bytes) -> Authority:
    """Read an authority from PEM.

    Raises:
        LabsError: one of the two is damaged, or they do not belong together.
    """
    try:
        private = load_pem_private_key(key, password=None)
        signed = x509.load_pem_x509_certificate(certificate)
    except (ValueError, TypeError) as error:
        raise LabsError(f"the authority's ca.key or ca.crt is damaged: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or (
        private.public_key() != signed.public_key()
    ):
        raise LabsError("the authority's ca.key is not the key of its ca.crt: restore both")
    return Authority(key=private, certificate=signed)


def issue_client(authority: Authority, *, name: str, now: datetime, days: float) -> Issued:
    """Issue a lab's certificate."""
    return _issue(authority, name, ExtendedKeyUsageOID.CLIENT_AUTH, now=now, days=days)


def issue_server(
    authority: Authority, *, hosts: Sequence[str], now: datetime, days: float
) -> Issued:
    """Issue the gateway's certificate, for host names and addresses."""
    names = x509.SubjectAlternativeName([_host(host) for host in hosts])
    return _issue(authority, "gateway", ExtendedKeyUsageOID.SERVER_AUTH, names, now=now, days=days)


def revocation_list(
    authority: Authority, revoked: Iterable[tuple[int, datetime]], *, now: datetime
) -> bytes:
    """Return the revocation list as PEM; ``revoked`` are serial numbers and when."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - _CLOCKS_DIFFER)
        .next_update(now + timedelta(days=CRL_DAYS))
        .add_extension(_of(authority), critical=False)
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
    )
    for serial, when in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(authority.key, SHA256()).public_bytes(Encoding.PEM)


def read_revocation_list(pem: bytes) -> tuple[set[int], datetime, bytes]:
    """Return its serial numbers, when it was made, and its authority's key identifier.

    Raises:
        ValueError: it is none.
    """
    listed = x509.load_pem_x509_crl(pem)
    by = listed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    made = listed.last_update_utc + _CLOCKS_DIFFER
    return {entry.serial_number for entry in listed}, made, by.key_identifier or b""


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """Return the host names and addresses that a server's certificate is for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def read_issued(authority: Authority, *, key: bytes, certificate: bytes) -> x509.Certificate:
    """Read a certificate that the authority issued, with its key, from PEM.

    Raises:
        ValueError: they are damaged, do not belong together, or are another authority's.
    """
    try:
        private = load_pem_private_key(key, password=None)
        read = x509.load_pem_x509_certificate(certificate)
        read.verify_directly_issued_by(authority.certificate)
    except (TypeError, InvalidSignature) as error:
        raise ValueError(str(error)) from error
    if private.public_key() != read.public_key():
        raise ValueError("the key is another certificate's")
    return read


def is_address(host: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def plain_host(host: str) -> str:
    """Return a name in small letters, or an address as it is usually written."""
    return str(ipaddress.ip_address(host)) if is_address(host) else host.lower()


def key_identifier(authority: Authority) -> bytes:
    """Return the identifier by which certificates name the authority's key."""
    return _of(authority).key_identifier or b""


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM, without a passphrase: programs read it unattended."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def _issue(
    authority: Authority,
    name: str,
    purpose: x509.ObjectIdentifier,
    alternative_names: x509.SubjectAlternativeName | None = None,
    *,
    now: datetime,
    days: float,
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_named(name), key, now=now, days=days)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_of(authority), critical=False)
    )
    if alternative_names is not None:
        builder = builder.add_extension(alternative_names, critical=False)
    return Issued(key=key, certificate=builder.sign(authority.key, SHA256()))


def _builder(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, *, now: datetime, days: float
) -> x509.CertificateBuilder:
    now = now.astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
    )


def _of(authority: Authority) -> x509.AuthorityKeyIdentifier:
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    if is_address(host):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
