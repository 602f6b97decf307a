"""What a start is refused for before anything is made: settings and the catalogue of models.

It imports little, so that a mistake is told before the service's own imports, which take seconds.
"""

from pydantic import ValidationError

from api.settings import Settings
from core.errors import BadRequestError
from market import Catalogue


class SettingsError(BadRequestError):
    """An AEM_ variable has a value that cannot be."""

    reason = "bad_settings"


def read_settings() -> Settings:
    """Read the settings from the environment, and what they name.

    Raises:
        SettingsError: a variable is wrong; says which.
        BadCatalogueError: the catalogue is.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(("AEM", *map(str, first["loc"]))).upper()
        what = first["msg"].removeprefix("Value error, ")
        told = f"{name}: {what}" if first["loc"] else what  # of several, the text names them
        raise SettingsError(f"{told}; docs/settings.md lists them") from error
    read_catalogue(settings)
    return settings


def read_catalogue(settings: Settings) -> Catalogue:
    """Read the language models that the settings name; an empty catalogue where they name none.

    Raises:
        BadCatalogueError: the file is wrong; says where and why.
        SettingsError: the model for synthesis is not in it.
    """
    catalogue = Catalogue() if settings.models is None else Catalogue.read(settings.models)
    chosen = settings.synthesis_model
    names = [model.name for model in catalogue.models]
    if chosen and not names:
        raise SettingsError(
            f"AEM_SYNTHESIS_MODEL names {chosen[:80]!r}, and there is no catalogue of models: let"
            " AEM_MODELS name one"
        )
    if chosen and chosen not in names:
        raise SettingsError(
            f"AEM_SYNTHESIS_MODEL names {chosen[:80]!r}, which is not in {settings.models}; it has"
            f" {', '.join(names)}"
        )
    return catalogue
