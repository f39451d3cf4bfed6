"""Private embeddings by the sentence transformer all-MiniLM-L6-v2: one party has the model, another one the sentences.

Both parties see the ops and the shapes: how many sentences there are, the tokens of the longest one, the vocabulary's
size. The tokenizer is public. Private to the sentences' owner are the words, which enter as rows of the vocabulary with
a single 1, and each sentence's length; to the model's all parameters, the table of words' embeddings among them. The
sentences' owner alone learns the embeddings, and by enough of them much about the model.
"""

import tempfile
import warnings

import numpy as np
import symbolon as sb
import torch
from all_minilm_l6_v2 import extract_model
from sentence_transformers import SentenceTransformer

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
sentences = ["Two parties share a secret.", "Neither of them alone can read what they hold."]


class Embedder(torch.nn.Module):
    """The model behind its tokenizer. `never` is added to the scores of attention, `weights` are those of the mean."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.bert = model[0].auto_model

    def forward(self, words: torch.Tensor, never: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        tables = self.bert.embeddings
        places = tables.position_embeddings.weight[: words.shape[1]] + tables.token_type_embeddings.weight[0]
        x = tables.LayerNorm(words @ tables.word_embeddings.weight + places)
        for layer in self.bert.encoder.layer:
            x = layer(x, attention_mask=never)
        mean = (weights @ x).squeeze(1)
        return mean * torch.rsqrt((mean * mean).sum(-1, keepdim=True))


with tempfile.TemporaryDirectory() as folder:
    path = str(extract_model(folder))
    model = SentenceTransformer(path, device="cpu", model_kwargs={"attn_implementation": "eager"})
tokens = model.tokenizer(sentences, padding=True, return_tensors="pt")
words = torch.nn.functional.one_hot(tokens["input_ids"], model[0].auto_model.config.vocab_size)
mask = tokens["attention_mask"].float()
data = (words.float(), (mask[:, None, None] - 1) * 100, (mask / mask.sum(1, keepdim=True))[:, None])

private = sb.torch.private(Embedder(model), data)
with sb.local("beaver") as world:
    given = [world.secret(one.numpy(), owner=0, bound=bound) for one, bound in zip(data, (1, 100, 1), strict=True)]
    embeddings = private(*given, owner=1).reveal(to=0)
    print(world.report)
plain = model.encode(sentences, normalize_embeddings=True)
cosines = (embeddings * plain).sum(1) / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(plain, axis=1)
error = np.abs(embeddings - plain).max()
print(f"largest error against sentence-transformers: {error:.1e}, least cosine {cosines.min():.6f}")
assert max(error, 1 - cosines.min()) < 2e-3
