"""A developer's first hour, with scikit-learn alone: compile, explain, check under encryption, save, load."""

from pathlib import Path

import cryptable as ct
import numpy as np
from cryptable.commands import commands
from sklearn.tree import DecisionTreeClassifier

rows = np.random.default_rng(0).normal(size=(200, 3))
tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(rows, rows[:, 0] * rows[:, 1] > 0)
model = ct.compile(tree, rows, name="quadrants", show_progress=False)
assert "quadrants" in str(model.explain())
assert model.check(rows[:20], encrypted_rows=1).passed
model.save("quadrants.cryptable")
assert (ct.load("quadrants.cryptable").predict(rows) == model.predict(rows)).all()
assert "doctor" in [command.name for command in commands()]
Path("quadrants.cryptable").unlink()
