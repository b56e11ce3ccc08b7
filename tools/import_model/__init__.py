"""Turns a face network that somebody trained into a model folder that this project serves.

    python -m tools.import_model SOURCE --out FOLDER

Modules in the order of the work: `published` and `fetch` (a name or address to a local file),
`sources` (what it is). TensorFlow, Keras and PyTorch: `read_graph`, `read_keras`, `read_torch`,
`facenet_names` (one set of arrays), `freeze` and `canonical` (one graph). ONNX and OpenVINO:
`read_onnx` and `read_openvino` (to one `network`), `fold`, `equalize`, `build_graph`. Then
`convert` and `quantize` (LiteRT files), `check_parity` (against `runtimes`, on faces),
`write_manifest`, `calibrate`; `job` does these, `cli` leads through all.
"""
