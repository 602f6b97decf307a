"""Running an artifact of this example in this process, the way its runner would."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[dict[str, Any]], dict[str, Any]]

_ENTRY = "extractor"


def load_artifact(folder: Path) -> Run:
    """Return the entry point of an artifact folder.

    Its modules are forgotten once they are loaded, so that the next folder's, which have the same
    names, are not taken for them.
    """
    root = str(folder.resolve())
    sys.path.insert(0, root)
    try:
        importlib.invalidate_caches()
        run = importlib.import_module(_ENTRY).run
    finally:
        sys.path.remove(root)
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(root):
                del sys.modules[name]
    return lambda chat: run(chat, None)
