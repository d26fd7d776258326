"""Where bytes are kept: by digest, by version, in a folder or a bucket."""
