"""A sentence transformer of two small layers with random weights, for tests of training it."""

from __future__ import annotations

from pathlib import Path

import torch

DIM = 16
WORDS = "the plot is was not never dull clever witty a film boring and but service soup good bad very . ,"


def save_tiny_transformer(folder: Path, seed: int = 0) -> Path:
    """Write it in the format of sentence-transformers; equal seeds give equal weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, BertTokenizerFast

    parts = folder / "parts"
    parts.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split(), *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (parts / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(str(parts / "vocab.txt")).save_pretrained(parts)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(vocabulary), hidden_size=DIM, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=64,
        )  # fmt: skip
        BertModel(config).save_pretrained(parts)
        model = SentenceTransformer(modules=[Transformer(str(parts)), Pooling(DIM, "mean"), Normalize()])
    model.save(str(folder / "model"), create_model_card=False)
    return folder / "model"
