"""Neural networks: from torch, ONNX or hummingbird to a graph of segments."""
