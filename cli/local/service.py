"""``aem serve`` and ``aem worker``: run the service here."""

import click

from cli.local.failures import explained


@click.command()
@click.option("--host", help="Default: AEM_HOST or 127.0.0.1.")
@click.option("--port", type=int, help="Default: AEM_PORT or 8321.")
@explained
def serve(host: str | None, port: int | None) -> None:
    """Run the service: API and worker in one process, until it is interrupted.

    The first start makes the data folder, the signing keys and an operator's key, which is shown
    once. Settings are environment variables; docs/settings.md lists them.
    """
    from api import starting  # noqa: PLC0415 - the service's imports are slow, these less so

    settings = starting.read_settings()
    from api import server  # noqa: PLC0415

    server.run_server(settings, host=host, port=port, say=click.echo)


@click.command()
@explained
def worker() -> None:
    """Run one more worker on the service's database, until it is interrupted."""
    from api import starting  # noqa: PLC0415 - the service's imports are slow, these less so

    settings = starting.read_settings()
    from api import server  # noqa: PLC0415

    server.run_worker(settings, say=click.echo)
