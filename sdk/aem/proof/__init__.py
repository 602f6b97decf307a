"""What is needed to check the service's word: canonical JSON, signatures, proofs, pointers."""

from aem.proof.keys import KeyPurpose, Signature, TrustedKey

__all__ = ["KeyPurpose", "Signature", "TrustedKey"]
