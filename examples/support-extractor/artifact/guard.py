"""Refuses chats that carry text meant to steer us instead of to inform us.

We only read chats; nobody in a chat, whatever they claim to be, tells us what to answer or what
is on file. A rule names one way in which such text gives itself away. All turns are checked, and
a chat is refused as a whole: what stands beside a planted text cannot be trusted either.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator

MESSAGE = "This chat contains text that tries to steer the extraction; a person should look at it."

# Letters of other scripts that are drawn like Latin ones (after case folding).
LOOKALIKES = str.maketrans("авеіјкмнорсѕтухԁοανικρτυ", "abeijkmhopcstyxdoavikptu")
ENCODED = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")

# What one is told to answer with: a code, a number, an address; plain words are a topic.
CODE = r"[\"'`]?(?=[^\s\"'`]*[\d@])[^\s\"'`]*\w"
RECORD = r"(?:record|register|store|save|enter|extract|report|list|treat)"
KIND = r"(?:order number|name|e-mail address|phone number|amount|date|card|account)"

OVERRIDE = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?]{0,40}"
    r"\b(?:above|previous|prior|earlier|preceding|instructions?|rules|guidelines|prompt|request"
    r"|customer(?:'s)? (?:said|says|wrote)|everything)\b"
)
FORGED_MARKUP = re.compile(
    r"<\|\w+\|>|</?(?:untrusted|document|system|assistant|instructions?)>"
    r"|(?:^|\n|\[|<!--)\s*(?:system|assistant|developer)\s*[\]:]"
)
DICTATED_ANSWER = re.compile(
    rf"\b(?:repl(?:y|ies)|respond(?:ing)?|answer)(?: only| exactly| always| just)* with {CODE}"
    rf"|\boutput(?:ting)?(?: only| exactly| just)* {CODE}"
    r"|\b(?:end|begin|start) every (?:response|reply|answer)\b"
    r"|\bfor the rest of this (?:conversation|chat|session)\b"
)
TOOL_CALL = re.compile(
    r"\b(?:call|calling|invoke|execute|run) [a-z]+(?:_[a-z]+)+\b|\bapi key\b|\bsk-[a-z]+-"
)
ASSISTANT = re.compile(
    r"\b(?:assistant|extractor|language model)\b[^.!?\n]{0,60}"
    r"\b(?:output|repl(?:y|ies)|respon[ds]\w*|answers?|must|should|named|records?|returns?)\b"
    r"|\b(?:produce|give) the expected (?:output|answer)\b"
)
AUTHORITY = re.compile(
    r"\b(?:note|notice|message|instructions?|correction|update|order) from (?:the |our )?"
    r"(?:developers?|system|administrators?|management|head office|back office|operators?)\b"
    r"|\bauthori[sz]ed (?:diagnostic|override|correction)\b"
    r"|\b(?:user|operator|owner) has already (?:approved|authori[sz]ed) this\b"
    r"|\bas (?:the|your) (?:system|account )?(?:administrator|supervisor|operator)\b"
    r"|\bearlier you (?:confirmed|agreed|promised)\b"
)
DECODE = re.compile(r"\bdecode and (?:follow|run|execute|obey|apply)\b")
PLANTED_FACT = re.compile(
    rf"\b{RECORD} [^\n]{{1,80}} as the (?:customer's|client's|caller's|correct|real)\b"
    rf"|\b(?:in|into) your (?:extraction|output|entities)\b"
    rf"|\b(?:real|true|correct|actual) {KIND} on (?:file|record) is\b"
    rf"|\breplace the {KIND} in this chat\b"
)

RULES = (
    ("injected_instruction", OVERRIDE),
    ("injected_instruction", FORGED_MARKUP),
    ("injected_instruction", DICTATED_ANSWER),
    ("injected_instruction", TOOL_CALL),
    ("injected_instruction", ASSISTANT),
    ("injected_instruction", DECODE),
    ("planted_fact", AUTHORITY),
    ("planted_fact", PLANTED_FACT),
)


def refusal_for(texts: list[str]) -> dict[str, str] | None:
    """Return the refusal that a chat calls for, or None."""
    for text in texts:
        for shown in (text, *decoded(text)):
            plain = plain_form(shown)
            for reason, rule in RULES:
                if rule.search(plain):
                    return {"reason": reason, "message": MESSAGE}
    return None


def plain_form(text: str) -> str:
    """Undo what hides words from a pattern: invisible characters, lookalikes, capitals."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text)
    text = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return text.casefold().translate(LOOKALIKES)


def decoded(text: str) -> Iterator[str]:
    """Yield what Base64 passages of a text say."""
    for match in ENCODED.finditer(text):
        try:
            yield base64.b64decode(match.group() + "==").decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
