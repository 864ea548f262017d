"""What steps before a model do to each raw column; one kind of step, one module, found by a walk over this package."""

from cryptable.importers.pipelines.raw_columns import RawColumns
from cryptable.importers.pipelines.registry import apply_step, apply_steps, preprocessor, supported_steps
from cryptable.importers.pipelines.stage import Stage

__all__ = ["RawColumns", "Stage", "apply_step", "apply_steps", "preprocessor", "supported_steps"]
