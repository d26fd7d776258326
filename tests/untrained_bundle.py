"""Bundles to publish, promote and roll back without training a model first."""

from __future__ import annotations

from housing_ml.bundle.manifest import Interval, Manifest, PriceRange, Provenance, sha256


def bundle_files(version: str) -> dict[str, bytes]:
    """The files of a bundle whose manifest is sound, though nobody could predict with it."""
    manifest = Manifest(
        model=f"model {version}",
        parameters={},
        imputer="median",
        clusters=0,
        seed=0,
        feature_names=(),
        feature_fingerprint="f",
        provenance=Provenance(data_digest="d", rows=1, synthetic=False),
        interval=Interval(level=0.9, lower=-1.0, upper=1.0),
        price_range=PriceRange(minimum=1.0, maximum=2.0),
        columns=(),
        categories=(),
        libraries={},
    )
    parts = {"model.onnx": f"trees {version}".encode(), "golden.safetensors": b"golden"}
    digests = {name: sha256(content) for name, content in parts.items()}
    return {"manifest.json": manifest.sealed(digests).to_json(), **parts}
