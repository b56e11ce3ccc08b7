"""Turns a FaceNet that somebody trained into a model folder that this project serves.

    python -m tools.import_model SOURCE --out FOLDER

Modules in the order of the work: `fetch` (remote to local), `read_graph` (four forms to one
graph), `freeze` (no variables, no training branches), `convert` (LiteRT files), `check_parity`
(against TensorFlow, on faces), `write_manifest`; `cli` leads through them.
"""
