"""What all trainings share: layers, optimiser, ONNX export and runtime."""
