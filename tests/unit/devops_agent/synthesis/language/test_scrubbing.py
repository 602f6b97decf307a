"""What must never reach a model's provider, and what must."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.synthesis.language.scrubbing import MAX_TEXT_CHARACTERS, Scrubber

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow" + "IBAAKCAQEA7" * 5 + "\n"
END = "-----END RSA PRIVATE KEY-----"

# Made-up values, put together here so that no scanner takes this file for a leak.
SECRETS = {
    "openai": ("sk-" + "proj-aB3dE5gH7jK9mN1pQ3", 'client = OpenAI("{}")'),
    "anthropic": ("sk-" + "ant-api03-Zx8Vb6Nm4Lk2Jh0G", "key: {}"),
    "github": ("ghp" + "_16C7e42F292c6912E7710c838347Ae178B4a", "curl -u me:{} https://x.example"),
    "github fine": ("github" + "_pat_11ABCDEFG0abcdefghijklmn", "{}"),
    "gitlab": ("glpat" + "-abcdefghij0123456789", "push with {} please"),
    "slack": ("xoxb" + "-123456789012-abcdefABCDEF", "bot={}"),
    "aws id": ("AKIA" + "IOSFODNN7EXAMPLE", "id {}"),
    "aws secret": ("wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "aB3dE5gH7j", "aws_secret_access_key = {}"),
    "google": ("AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q", "?key={}"),
    "stripe": ("sk" + "_live_4eC39HqLyjWDarjtT1", "pay with {}"),
    "hugging face": ("hf" + "_AbCdEfGhIjKlMnOpQrStUvWxYz012345", "{}"),
    "own": ("aem" + "_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5jK7m", "AEM_API_KEY={}"),
    "web token": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s5vW7yZ9bC1dF3g", "Cookie: {}"),
    "private key": (KEY + END, "{}"),
    "private key without end": (KEY, "{}"),
    "password in address": ("hunter2", "postgresql://app:{}@db.example/app"),
    "bearer": ("abcdefgh12345678", "Authorization: Bearer {}"),
    "basic": ("dXNlcjpwYXNz", '"Authorization": "Basic {}"'),
    "python password": ("correct-horse", "PASSWORD = '{}'"),
    "annotated": ("s3cr3t-value", 'db_password: str = "{}"'),
    "keyword": ("s3cr3t-value", 'connect(user="me", password="{}")'),
    "item": ("s3cr3t-value", 'settings["api_key"] = "{}"'),
    "json": ("abc-def-123", '{{"client_secret": "{}"}}'),
    "json in a string": ("abc-def-123", '"{{\\"api_key\\": \\"{}\\"}}"'),
    "yaml": ("topsecret99", 'token: "{}"'),
    "environment": ("p4ss/w0rd+x", "# local\nexport DB_PASSWORD={}\n"),
    "environment key": ("0a1b2c3d4e", "SERVICE_API_KEY={}"),
    "dense": ("aB3dE5gH7jK9mN1pQ3sT5vW7yZ9b", "salted with {} every night"),
    "dense base64": ("q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5H6j7K8l9Zz==", "blob {}"),
    "hexadecimal": ("9f86d081884c7d659a2feaa0c55ad015", "session {}"),
}

BENIGN = {
    "source": "def run(data, context):\n    return [token for token in data['tokens'] if token]\n",
    "token variable": "token = tokens[index]\npassword = getpass.getpass()\n",
    "environment lookup": 'api_key = os.environ["API_KEY"]\nsecret = config.secret\n',
    "limits": "MAX_TOKENS=100000\nmax_tokens = 8000\nTOKEN_LIMIT = 5\n",
    "field name": 'PASSWORD_FIELD = "password"\nKEY = "api_key"\n',
    "template": 'password: "${DB_PASSWORD}"\ntoken = "<your token>"\nsecret = "{{ secret }}"\n',
    "alphabet": 'LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"\n',
    "regular expression": r'ORDER = re.compile(r"\bORD-\d{4,8}\b|[A-Za-z0-9+/_-]{24,}")',
    "iban": "please pay DE89370400440532013000 by friday",
    "card": "4111111111111111 and +49 151 23456789",
    "order": "order ORD-20240131-000123456789 of 2024-01-31",
    "uuid": "id 123e4567-e89b-12d3-a456-426614174000",
    "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "lock": "--hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "commit": "commit 44086d3f8a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "path": "/usr/lib/python3.11/site-packages/MyPackage2/inner_module_name.py",
    "address": "https://shop.example/orders/2024/My-Order-Number-17?page=2#top",
    "camel case": "getHttpResponseCodeForUserAccount2AndRetryWithBackoff3Times",
    "snake case": "test_extractor_finds_every_entity_in_a_long_conversation_v2",
    "digits": "11223344556677889900112233445566",
    "zeros": "00000000000000000000000000000000",
    "mail": "mail ann.lee+tag@my-shop.example, or call 030:12345@home",
    "words": "the secret: always be kind. The password is required here.",
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_replaced(name: str) -> None:
    secret, frame = SECRETS[name]
    text = frame.format(secret)
    scrubber = Scrubber([text])
    scrubbed = scrubber.scrub(text)
    assert secret not in scrubbed
    assert scrubbed == frame.format("__AEM_SECRET_1__")
    assert scrubber.restore(scrubbed) == text


@pytest.mark.parametrize("name", BENIGN)
def test_benign_texts_stay_as_they_are(name: str) -> None:
    assert Scrubber([]).scrub(BENIGN[name]) == BENIGN[name]


def test_a_secret_has_one_placeholder_everywhere() -> None:
    secret = SECRETS["dense"][0]
    scrubber = Scrubber([f"API_KEY = '{secret}'\n"])
    told = scrubber.scrub(json.dumps({"error": f"refused: {secret}", "token": "another-one-1"}))
    assert told == '{"error": "refused: __AEM_SECRET_1__", "token": "__AEM_SECRET_2__"}'


def test_a_long_secret_is_known_again_without_its_context() -> None:
    scrubber = Scrubber(["PASSWORD = 'correct-horse-battery'"])
    assert "battery" not in scrubber.scrub("login failed for correct-horse-battery")


def test_secrets_of_one_file_are_replaced_in_the_files_before_it() -> None:
    files = ["print('correct-horse-battery')", "PASSWORD = 'correct-horse-battery'"]
    scrubber = Scrubber(files)
    assert scrubber.scrub(files[0]) == "print('__AEM_SECRET_1__')"


def test_a_text_that_holds_placeholders_already_is_restored_exactly() -> None:
    text = "X = '__AEM_SECRET_1__'\nPASSWORD = 'correct-horse'\n"
    scrubber = Scrubber([text])
    scrubbed = scrubber.scrub(text)
    assert "correct-horse" not in scrubbed
    assert scrubber.restore(scrubbed) == text
    assert scrubber.placeholders(scrubbed) == {"__AEM_SECRET1_1__": 1}


def test_a_placeholder_that_was_never_given_out_is_not_restored() -> None:
    with pytest.raises(KeyError):
        Scrubber([]).restore("__AEM_SECRET_7__")


PIECES = st.sampled_from(
    [frame.format(secret) for secret, frame in SECRETS.values()]
    + list(BENIGN.values())
    + ["__AEM_SECRET_1__", "AEM_SECRET", "__", "1__", "'", '"', "\n", " ", "="]
)


@given(st.lists(st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=60), max_size=4))
def test_scrubbing_can_be_undone_to_the_character(texts: list[str]) -> None:
    scrubber = Scrubber(texts)
    for text in texts:
        scrubbed = scrubber.scrub(text)
        assert scrubber.restore(scrubbed) == text
        assert scrubber.scrub(scrubbed) == scrubbed


def test_a_key_that_another_one_follows_is_scrubbed() -> None:
    told = Scrubber([]).scrub(KEY + KEY + END)
    assert "IBAAKCAQEA7" not in told
    assert Scrubber([]).scrub(KEY * 3).count("SECRET") == 3


@pytest.mark.parametrize("text", ["-----BEGIN PRIVATE KEY-----\n", "password", "a", "secret_="])
def test_hostile_texts_are_scrubbed_in_time_that_grows_with_them(text: str) -> None:
    long = text * (MAX_TEXT_CHARACTERS // len(text))
    begun_s = time.process_time()
    Scrubber([]).scrub(long)
    assert time.process_time() - begun_s < 2.5


def test_secrets_are_not_learned_from_data_without_end() -> None:
    line = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9b\n"
    long = line * (MAX_TEXT_CHARACTERS // len(line) + 1)
    scrubber = Scrubber([long, "short"])
    assert scrubber.restore("__AEM_SECRET_x") == "__AEM_SECRET_x"
    with pytest.raises(KeyError):
        scrubber.restore("__AEM_SECRET_1__")
