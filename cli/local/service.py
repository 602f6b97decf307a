"""``aem serve`` and ``aem worker``: run the service here."""

import click


@click.command()
@click.option("--host", help="Default: AEM_HOST or 127.0.0.1.")
@click.option("--port", type=int, help="Default: AEM_PORT or 8321.")
def serve(host: str | None, port: int | None) -> None:
    """Run the service: API and worker in one process, until it is interrupted.

    The first start makes the data folder, the signing keys and an operator's key, which is shown
    once. Settings are environment variables; docs/settings.md lists them.
    """
    from api.server import run_server  # noqa: PLC0415 - the service's imports are slow

    run_server(host=host, port=port, say=click.echo)


@click.command()
def worker() -> None:
    """Run one more worker on the service's database, until it is interrupted."""
    from api.server import run_worker  # noqa: PLC0415 - the service's imports are slow

    run_worker(say=click.echo)
