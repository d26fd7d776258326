"""Raw rows: the contract, where they come from, and which are held out."""
