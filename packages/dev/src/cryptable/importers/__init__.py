"""From a fitted estimator to a float model graph; one model family, one module, found by a walk over this package."""

from cryptable.importers.registry import Importer, import_estimator, importer, supported_estimators

__all__ = ["Importer", "import_estimator", "importer", "supported_estimators"]
