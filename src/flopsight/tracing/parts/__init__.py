"""What composite operators and layers of PyTorch's run, known without running their code.

Each file declares its parts as it loads.
"""

from flopsight.tracing.parts import layers, operators
from flopsight.tracing.parts.known import HELD_TO, LAYERS, OPERATORS, Parts, parts_of

__all__ = ["HELD_TO", "LAYERS", "OPERATORS", "Parts", "layers", "operators", "parts_of"]
