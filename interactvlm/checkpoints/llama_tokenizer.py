"""A Llama SentencePiece folder, as released checkpoints carry it, turned into tokenizer.json.

Needs the `sentencepiece` package to read the file, once; the result does not. transformers' own
conversion keeps white space next to added tokens, which the published tokenizer dropped, so the
ids of this one differ from it and equal the published ones (see `Tokenizer.encode`).
"""

import json
from pathlib import Path

from interactvlm.config import TokenConfig
from interactvlm.errors import AssetError
from interactvlm.tokens import Tokenizer

_BPE = 2
_SPACE = "\u2581"


def load_llama_tokenizer(folder: Path, config: TokenConfig) -> Tokenizer:
    """The tokenizer of a folder with tokenizer.model and added_tokens.json.

    Raises AssetError when a file is missing, broken or holds no byte-pair model.
    """
    from tokenizers import AddedToken, decoders, normalizers
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import BPE

    vocabulary, scores = _pieces(folder / "tokenizer.model")
    backend = Backend(
        BPE(
            vocab=vocabulary,
            merges=_merges(vocabulary, scores),
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    backend.normalizer = normalizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)]
    )
    backend.decoder = decoders.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    added = _added_tokens(folder / "added_tokens.json")
    for text, index in sorted(added.items(), key=lambda item: item[1]):
        backend.add_tokens([AddedToken(text, normalized=False, special=True)])
        if backend.token_to_id(text) != index:
            raise AssetError(
                f"added token {text!r} should get id {index}, it gets "
                f"{backend.token_to_id(text)}: {str(folder)!r}"
            )
    return Tokenizer(backend, config)


def _pieces(path: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Ids of all pieces and scores of the mergeable ones."""
    if not path.is_file():
        raise AssetError(f"SentencePiece model not found; expected a file at {str(path)!r}")
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError:
        raise AssetError(
            "converting a SentencePiece model needs the packages sentencepiece and protobuf"
        ) from None
    model = sentencepiece_model_pb2.ModelProto()  # pyright: ignore[reportAttributeAccessIssue]
    try:
        model.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError, whose home differs between versions
        raise AssetError(f"not a SentencePiece model ({error}): {str(path)!r}") from None
    if model.trainer_spec.model_type != _BPE or not model.pieces:
        raise AssetError(f"SentencePiece model is not a byte-pair model: {str(path)!r}")
    normal = 1
    vocabulary = {piece.piece: index for index, piece in enumerate(model.pieces)}
    return vocabulary, {p.piece: p.score for p in model.pieces if p.type == normal}


def _merges(vocabulary: dict[str, int], scores: dict[str, float]) -> list[tuple[str, str]]:
    """Pairs of pieces in the order SentencePiece merges them: best score of the whole first."""
    ranked = []
    for whole, score in scores.items():
        for cut in range(1, len(whole)):
            left, right = whole[:cut], whole[cut:]
            if left in scores and right in scores:
                ranked.append((-score, vocabulary[left], vocabulary[right], left, right))
    return [(left, right) for *_, left, right in sorted(ranked)]


def _added_tokens(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    try:
        return {str(k): int(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise AssetError(f"added tokens cannot be read ({error}): {str(path)!r}") from None
