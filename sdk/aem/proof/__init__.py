"""What is needed to check the service's word: canonical JSON, signatures, proofs, pointers."""

from aem.proof.canonical import canonical_json, digest_of, require_digest
from aem.proof.checkpoint import Checkpoint
from aem.proof.dsse import (
    CHECKPOINT_PAYLOAD_TYPE,
    PAYLOAD_TYPES,
    POINTER_PAYLOAD_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    TRUST_PAYLOAD_TYPE,
    Envelope,
    pre_authentication_encoding,
    sign_envelope,
    verify_envelope,
)
from aem.proof.errors import (
    MalformedError,
    NotCanonicalError,
    NotConsistentError,
    NotIncludedError,
    ProofError,
    UntrustedError,
    WrongSignatureError,
)
from aem.proof.keys import KeyPurpose, Signature, TrustedKey
from aem.proof.merkle import (
    EMPTY_ROOT,
    Frontier,
    GrowingTree,
    PerfectRoot,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from aem.proof.pointer import ChannelPointer
from aem.proof.statement import (
    GOLD_REPORT_PREDICATE_TYPE,
    STATEMENT_TYPE,
    Statement,
    statement,
)
from aem.proof.trust import MAX_KEYS, TrustRoot

__all__ = [
    "CHECKPOINT_PAYLOAD_TYPE",
    "EMPTY_ROOT",
    "GOLD_REPORT_PREDICATE_TYPE",
    "MAX_KEYS",
    "PAYLOAD_TYPES",
    "POINTER_PAYLOAD_TYPE",
    "STATEMENT_PAYLOAD_TYPE",
    "STATEMENT_TYPE",
    "TRUST_PAYLOAD_TYPE",
    "ChannelPointer",
    "Checkpoint",
    "Envelope",
    "Frontier",
    "GrowingTree",
    "KeyPurpose",
    "MalformedError",
    "NotCanonicalError",
    "NotConsistentError",
    "NotIncludedError",
    "PerfectRoot",
    "ProofError",
    "Signature",
    "Statement",
    "TrustRoot",
    "TrustedKey",
    "UntrustedError",
    "WrongSignatureError",
    "canonical_json",
    "consistency_proof",
    "digest_of",
    "frontier_at",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "pre_authentication_encoding",
    "require_digest",
    "root_of",
    "sign_envelope",
    "statement",
    "verify_consistency",
    "verify_envelope",
    "verify_inclusion",
]
