"""The catalogue's documents: YAML files and templates in, one resolved catalogue out."""

from storage.catalogue.adopt import adopt
from storage.catalogue.build import FeatureFaults, build_catalogue, load_catalogue
from storage.catalogue.check import Report, check
from storage.catalogue.document import CatalogueError, Fault
from storage.catalogue.sites import Adoption
from storage.catalogue.templates import Templates, load_templates

__all__ = [
    "Adoption",
    "CatalogueError",
    "Fault",
    "FeatureFaults",
    "Report",
    "Templates",
    "adopt",
    "build_catalogue",
    "check",
    "load_catalogue",
    "load_templates",
]
