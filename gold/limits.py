"""The gold room's limits, each with its unit and its reason.

A dataset and a candidate's outputs are other people's text: nothing in them may take unbounded
memory or time.
"""

MAX_FILES = 200
"""Files of one dataset; real ones have about ten."""

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_DATASET_BYTES = 64 * 1024 * 1024
"""A dataset is stored in the database and parsed in memory."""

MAX_CASES = 20_000
MAX_LINE_BYTES = 1024 * 1024
"""One case; a conversation of 60 turns takes about 10 kB."""

MAX_CASE_LEVELS = 32
MAX_ID_CHARACTERS = 120
MAX_ENTITIES_PER_CASE = 500
MAX_RULES_PER_CASE = 50

MAX_FACTS_PER_CASE = 20
MAX_FACT_CHARACTERS = 500
MIN_FACT_CHARACTERS = 3
"""Letters and digits that an injected fact needs: shorter ones stand in any text by chance."""

MAX_SCHEMA_BYTES = 64 * 1024
MAX_SCHEMA_LEVELS = 32

MAX_RULES = 200
MAX_EXPRESSION_CHARACTERS = 2_000
MAX_STEPS = 1_000_000
"""Steps of a rule's nested loops on one case, at most: well under a second of the judge's time."""

MAX_COMPREHENSIONS = 4
"""Loops (``all``, ``exists``, ``map``...) in one CEL expression: nested ones multiply their time,
and the lists that they run over come from the candidate."""

MAX_OUTPUT_BYTES = 1024 * 1024
"""What the judge parses of one output; the sandbox's own limit is usually lower."""

MAX_OUTPUT_LEVELS = 64

MAX_REPEATS = 20
"""Runs of one stochastic artifact over one case."""

MAX_FINDINGS = 200
"""Findings of one lint: the first ones tell enough, and the rest often follows from them."""

MAX_ROWS_PAGE = 200
"""Datasets in one page of a list."""
